# Runs as root in a throw-away copy of the chroot that environment.sh has left.
# /recipe: this directory; /inputs: pip.conf; /out: where the package goes.
# VERSION and REVISION come from the environment.
set -e

python=$(readlink -e /usr/bin/python3)
home=/opt/venvs/matrix-synapse
export PIP_CONFIG_FILE=/inputs/pip.conf PIP_CACHE_DIR=/pip-cache

packages=$(echo "$home"/lib/python3*/site-packages)
if [ ! -e "$packages/matrix_synapse-$VERSION.dist-info" ]; then
    # Of the libraries, what suits the other version stays.
    /opt/pip/bin/pip --python "$home/bin/python" install --no-compile \
        "matrix-synapse[all]==$VERSION" 'txredisapi<1.6.0'
    "$home/bin/python" -m compileall -q -j 2 "$packages"
fi

source=/build
tree=$source/debian/matrix-synapse-py3
mkdir "$source"
cp -r /recipe/debian "$source/debian"
mkdir -p "$tree/opt/venvs" "$tree/etc/matrix-synapse/conf.d" "$tree/var/lib/matrix-synapse" \
    "$tree/var/log/matrix-synapse"
mv "$home" "$tree$home"
cp /recipe/debian/manage_debconf.sh "$tree$home/lib/"
chmod 0755 "$tree$home/lib/manage_debconf.sh"

# The generators need the environment where it was built.
ln -s "$tree$home" "$home"
"$home/bin/generate_config" --config-dir=/etc/matrix-synapse --data-dir=/var/lib/matrix-synapse |
    sed -f /recipe/debian/homeserver.sed > "$tree/etc/matrix-synapse/homeserver.yaml"
"$home/bin/generate_log_config" --output-file="$tree/etc/matrix-synapse/log.yaml"
rm "$home"

cd "$source"
{
    echo "matrix-synapse-py3 ($VERSION$REVISION) stable; urgency=medium"
    echo
    echo "  * Packed from PyPI for a laboratory."
    echo
    echo " -- Lab <lab@lab.test>  Thu, 01 Jan 2026 00:00:00 +0000"
} > debian/changelog
echo "synapse:pydepends=$(basename "$python")" > debian/matrix-synapse-py3.substvars
dh_link
dh_installdebconf
dh_installsystemd --name=matrix-synapse
# What psycopg2 links to is only recommended: PostgreSQL is upstream's option, not its need.
find "$tree" -path '*/site-packages/psycopg2/*.so' -print0 |
    xargs -0 dpkg-shlibdeps -Tdebian/matrix-synapse-py3.substvars -pshlibs1 -dRecommends
# Wheels bring libraries of their own in *.libs, which dpkg-shlibdeps cannot resolve.
dh_shlibdeps -X.libs -Xsite-packages/psycopg2 -Xsite-packages/PIL
dh_installdeb
dh_gencontrol
dh_md5sums
# Read a few times and never sent far.
dh_builddeb --destdir=/out -- -Zzstd -z1
