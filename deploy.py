"""Bring Debian hosts to a running Matrix homeserver: `pyinfra inventory.py deploy.py`.

The order is the plan; each step says why it stands where it does. Every operation decides by what
was observed on the host (tasks/observe/host_state.py), never by what an earlier run may have done:
a run that was killed anywhere is finished by the next one, and a run without need changes nothing.
"""

from pyinfra import config, state

from tasks.base.paths import (
    KEYRING,
    PACKAGE_KEYRING,
    PACKAGE_PIN,
    PACKAGE_SOURCES,
    REPLACED,
    SETTINGS,
    SOURCES,
)
from tasks.decide import firewall, packages, preseed, repositories
from tasks.operations import (
    adoption,
    apt,
    certbot,
    debconf,
    files,
    homeserver,
    timesync,
    ufw,
)
from tasks.run.report import report_at_end
from tasks.run.survey import survey

config.REQUIRE_PYINFRA_VERSION = "~=3.10"

# Before anything else, for all hosts together: one host that cannot be deployed stops the run
# while no host has been touched.
site = survey()
wanted, found = site.target, site.state
settings = wanted.settings
config.SUDO = not site.login.is_root

# Before there are two entries for one repository.
adoption.own_source_removed(
    name="Take out the old entry of Synapse's repository", target=wanted, state=found
)

# The key is checked by its fingerprint already; it has to be there before the source that it signs.
files.managed_file(
    name="Trust the key of Synapse's repository",
    path=KEYRING,
    content=site.keys.get(KEYRING),
    state=found,
)
files.managed_file(
    name="Use Synapse's repository",
    path=SOURCES,
    content=repositories.synapse_entry(settings.synapse_repository, found),
    state=found,
)

# The same for our own package, when it does not come with the deploy.
files.managed_file(
    name="Trust the key of our package's repository",
    path=PACKAGE_KEYRING,
    content=site.keys.get(PACKAGE_KEYRING),
    state=found,
)
files.managed_file(
    name="Use our package's repository",
    path=PACKAGE_SOURCES,
    content=repositories.own_entry(wanted),
    state=found,
)
files.managed_file(
    name="Keep the wanted version of our package",
    path=PACKAGE_PIN,
    content=repositories.own_pin(wanted),
    state=found,
)

# Before the package: its installation ends with a server that runs with these. The password before
# the settings that need it.
password = files.secret_file(
    name="Write the password for the mail server",
    path=str(settings.email.password_file) if settings.email else "",
    secret=wanted.smtp_password,
    state_is_same=found.smtp_password_same,
    state_is_private=found.smtp_password_private,
)
settings_file = files.managed_file(
    name="Write the settings",
    path=SETTINGS,
    content=wanted.settings_text.encode(),
    state=found,
    keep_old_in=REPLACED,
)

# Synapse's package asks while it is installed, and nobody is there to answer.
debconf.preseed(
    name="Answer the questions of Synapse's package",
    package=packages.synapse_package(found),
    answers=preseed.synapse_answers(settings, found),
    present=found.debconf,
)

# One transaction: our package is unpacked before Synapse is configured, and its drop-in holds
# Synapse back until there is a configuration. Services therefore never start half-configured.
installation = apt.transaction(
    name="Install the packages",
    target=wanted,
    state=found,
)

# Until here nothing that serves has changed, on a server that was set up by hand.
adoption.adopted(name="Take over the server as it was set up", target=wanted, state=found)

# The package has done this when it was installed, but must not fail; here a failure shows.
homeserver.applied(
    name="Make the settings effective",
    changed=any(op.will_change for op in (settings_file, password, installation)),
    state=found,
)
# After the first apply: until then the welcome page is all that nginx has.
homeserver.default_site_disabled(name="Disable the default site of nginx", state=found)

# Before certbot, which needs port 80 to be reachable.
if settings.firewall.enabled:
    ufw.firewall(
        name="Close all ports but the wanted ones",
        wanted=firewall.wanted_ports(settings, site.ssh_ports),
        ssh_ports=site.ssh_ports,
        present=found.firewall,
    )

# Needs nginx to answer the challenge; afterwards nginx changes over from the placeholder.
certbot.certificate(name="Have a certificate for the names", target=wanted, state=found)

timesync.synchronised(name="Keep the clock right", state=found)

# Last: an account needs a server that answers.
homeserver.administrator(
    name="Make the administrator's account",
    username=settings.administrator.username if settings.administrator else None,
    state=found,
)

report_at_end(state, site)
