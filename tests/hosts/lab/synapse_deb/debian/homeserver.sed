# What upstream's package changes in the generated file: names of files that do not depend on the
# server name, and the two settings that live in conf.d.
/^signing_key_path:/s/SERVERNAME/homeserver/
/^tls_.*_path:/s/SERVERNAME/homeserver/
/^pid_file:/s#:.*#: "/var/run/matrix-synapse.pid"#
/^log_config:/s/SERVERNAME\.log\.config/log.yaml/
/^media_store_path:/s#/media_store#/media#
/^server_name:/{
i\
#\
# The Debian package keeps it in /etc/matrix-synapse/conf.d/server_name.yaml.
s/^/# /
}
/^# report_stats:/d
