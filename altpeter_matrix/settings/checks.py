"""What checks each format that settings.schema.json names."""

from . import formats
from .backup_place import check_bandwidth, check_place, check_time_of_day
from .quantities import check_memory, parse_days, parse_hours, parse_size
from .remedies import Check
from .user_ids import check_localpart

CHECKS: dict[str, Check] = {
    "absolute-path": formats.check_absolute_path,
    "backup-place": check_place,
    "bandwidth": check_bandwidth,
    "dns-name": formats.check_dns_name,
    "duration": parse_days,
    "email-address": formats.check_email_address,
    "fingerprint": formats.check_fingerprint,
    "host": formats.check_host,
    "hours": parse_hours,
    "http-url": formats.check_http_url,
    "https-url": formats.check_https_url,
    "line": formats.check_line,
    "localpart": check_localpart,
    "mailbox": formats.check_mailbox,
    "memory": check_memory,
    "matrix-user-id": formats.check_matrix_user_id,
    "port-rule": formats.check_port_rule,
    "postgresql-name": formats.check_postgresql_name,
    "size": parse_size,
    "time-of-day": check_time_of_day,
}
