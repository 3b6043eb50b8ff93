# Sourced, after debconf's confmodule, by the package's config and postinst scripts.
#
# Every column-0 line "server_name:" or "report_stats:" in homeserver.yaml or conf.d belongs to
# debconf: read_settings takes the answers from the files (the last file wins), update_settings
# writes them back to every such line that differs. This is what upstream's package does.

settings_files() {
    for file in /etc/matrix-synapse/homeserver.yaml /etc/matrix-synapse/conf.d/*.yaml; do
        [ -f "$file" ] && [ -r "$file" ] && echo "$file"
    done
    return 0
}

read_setting() { # KEY QUESTION
    settings_files | while IFS= read -r file; do
        sed -n "s/^$1[[:space:]]*:[[:space:]]*\(.*[^[:space:]]\)\{0,1\}[[:space:]]*\$/=\1/p" "$file"
    done | tail -n 1
}

read_settings() {
    for pair in server_name:server-name report_stats:report-stats; do
        found=$(read_setting "${pair%%:*}")
        [ -n "$found" ] || continue
        found=${found#=}
        case $found in
            \"*\") found=${found#\"} found=${found%\"} ;;
            \'*\') found=${found#\'} found=${found%\'} ;;
        esac
        db_set "matrix-synapse/${pair#*:}" "$found"
    done
}

update_settings() {
    for pair in server_name:server-name report_stats:report-stats; do
        db_get "matrix-synapse/${pair#*:}" || continue
        settings_files > /run/matrix-synapse-settings.$$
        while IFS= read -r file; do
            # As upstream, compare with the text after the colon, quotes included, and write the
            # file only where a line differs; mode and owner stay.
            KEY=${pair%%:*} VALUE=$RET awk '
                BEGIN { key = ENVIRON["KEY"]; value = ENVIRON["VALUE"] }
                $0 ~ "^" key "[ \t]*:" {
                    current = $0
                    sub("^" key "[ \t]*:[ \t]*", "", current)
                    if (current != value) { $0 = key ": " value; changed = 1 }
                }
                { print }
                END { exit !changed }
            ' "$file" > /run/matrix-synapse-settings.$$.new || continue
            cat /run/matrix-synapse-settings.$$.new > "$file"
        done < /run/matrix-synapse-settings.$$
        rm -f /run/matrix-synapse-settings.$$ /run/matrix-synapse-settings.$$.new
    done
}
