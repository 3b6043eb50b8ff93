# Runs as root in a throw-away chroot of the target release.
# /recipe: this directory; /inputs: pip.conf and altered/; /out: where the packages go.
# VERSIONS and REVISION come from the environment.
set -e

apt-get update
apt-get install -y --no-install-recommends \
    build-essential debhelper libpq-dev libsystemd-dev pkg-config python3-dev python3-venv

python=$(readlink -e /usr/bin/python3)
home=/opt/venvs/matrix-synapse
export PIP_CONFIG_FILE=/inputs/pip.conf PIP_CACHE_DIR=/pip-cache CFLAGS=-march=x86-64

for version in $VERSIONS; do
    # The environment is built where it will live: its scripts name their interpreter.
    rm -rf "$home"
    "$python" -m venv "$home"
    # txredisapi 1.6 has an interface that these versions of Synapse do not know.
    "$home/bin/pip" install --compile --no-binary psycopg2,systemd-python \
        "matrix-synapse[all]==$version" 'txredisapi<1.6.0' systemd-python
    "$home/bin/pip" uninstall -y --quiet pip
    # Tests of the libraries: never loaded, a quarter of the files that dpkg would unpack.
    find "$home/lib" -depth -type d -path '*/site-packages/*' \( -name tests -o -name test \) \
        -not -path '*/site-packages/synapse/*' -exec rm -rf {} +
    rm -rf "$home/share/man"

    source=/build/$version
    tree=$source/debian/matrix-synapse-py3
    mkdir -p "$source"
    cp -r /recipe/debian "$source/debian"
    mkdir -p "$tree/opt/venvs" "$tree/etc/matrix-synapse/conf.d" "$tree/var/lib/matrix-synapse" \
        "$tree/var/log/matrix-synapse"
    mv "$home" "$tree$home"
    cp /recipe/debian/manage_debconf.sh "$tree$home/lib/"
    chmod 0755 "$tree$home/lib/manage_debconf.sh"

    # The generators need the environment where it was built.
    mkdir -p /opt/venvs
    ln -s "$tree$home" "$home"
    "$home/bin/generate_config" --config-dir=/etc/matrix-synapse --data-dir=/var/lib/matrix-synapse |
        sed -f /recipe/debian/homeserver.sed > "$tree/etc/matrix-synapse/homeserver.yaml"
    "$home/bin/generate_log_config" --output-file="$tree/etc/matrix-synapse/log.yaml"
    rm "$home"
    for change in /inputs/altered/*; do
        [ -e "$change" ] || continue
        cat "$change" >> "$tree/etc/matrix-synapse/$(basename "$change")"
    done

    cd "$source"
    {
        echo "matrix-synapse-py3 ($version$REVISION) stable; urgency=medium"
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
    dh_builddeb --destdir=/out -- -Zzstd -z6
done
rm -rf /build
