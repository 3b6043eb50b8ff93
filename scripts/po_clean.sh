#!/bin/sh
# The translations of debconf's questions follow the templates, and none is missing.
# Prints what differs.

set -e

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -r debian "$work/debian"
(cd "$work" && debconf-updatepo)
diff -ru debian/po "$work/debian/po" ||
    { echo "po_clean: run debconf-updatepo in this checkout" >&2; exit 1; }
for file in debian/po/*.po; do
    msgfmt --check --output-file=/dev/null "$file"
    untranslated=$(msgattrib --untranslated "$file"; msgattrib --only-fuzzy "$file")
    [ -z "$untranslated" ] || { echo "po_clean: $file lacks"; echo "$untranslated"; exit 1; } >&2
done
