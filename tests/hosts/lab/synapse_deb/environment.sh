# Runs as root in the chroot that workshop.sh has made: the environment that packages of Synapse are
# made from, with the version that most of them hold, so that its libraries are fetched and compiled
# once. /inputs: pip.conf. VERSION comes from the environment.
set -e

python=$(readlink -e /usr/bin/python3)
home=/opt/venvs/matrix-synapse
export PIP_CONFIG_FILE=/inputs/pip.conf PIP_CACHE_DIR=/pip-cache

# It is built where it will live: its scripts name their interpreter.
"$python" -m venv --without-pip "$home"
packages=$(echo "$home"/lib/python3*/site-packages)
cp -r /usr/lib/python3/dist-packages/psycopg2* /usr/lib/python3/dist-packages/systemd* "$packages"
find "$packages" -name __pycache__ -prune -exec rm -r {} +
# txredisapi 1.6 has an interface that these versions of Synapse do not know.
/opt/pip/bin/pip --python "$home/bin/python" install --no-compile \
    "matrix-synapse[all]==$VERSION" 'txredisapi<1.6.0' systemd-python
# Never loaded, but a third of what dpkg would unpack: tests of the libraries, time zones, and where
# in the world a telephone number is, of which Synapse only asks whether it is one.
find "$packages" -depth -type d \( -name tests -o -name test \) \
    -not -path "$packages/synapse/*" -exec rm -r {} +
rm -r "$packages"/phonenumbers/carrierdata "$packages"/phonenumbers/geodata \
    "$packages"/phonenumbers/tzdata "$packages"/pytz/zoneinfo "$packages"/tzdata/zoneinfo
rm -rf "$home/share/man"
"$home/bin/python" -m compileall -q -j 2 "$packages"
