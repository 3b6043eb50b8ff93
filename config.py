"""pyinfra reads this file before it connects to any host."""

from tasks.connection import first_contact

first_contact.install()
