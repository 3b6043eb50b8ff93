# Runs as root in a chroot of the target release: what packing any version of Synapse needs.
set -e

# It comes only to the lab's cache: nothing is lost with it, and nobody reads its manuals.
cat > /etc/dpkg/dpkg.cfg.d/lab <<END
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
apt-get -o Acquire::Languages=none update
# The two modules that have no wheel come from Debian, where they are compiled already.
apt-get install -y --no-install-recommends \
    dpkg-dev file python3-psycopg2 python3-systemd python3-venv zstd
# debhelper alone: by way of libtool its dependencies want a compiler, which takes the longest.
mkdir /tmp/debhelper
cd /tmp/debhelper
apt-get download debhelper libdebhelper-perl
for package in *.deb; do
    dpkg-deb -x "$package" /
done
apt-get clean
rm -rf /var/lib/apt/lists/*
# One pip for all environments: they are made without, as it is not part of the package.
python3 -m venv /opt/pip
