#!/bin/sh
# Files that the deploy writes.

line "$FILES" | while IFS= read -r file; do
    if [ -f "$file" ]; then line "$(sha256sum <"$file" | cut -c -64) $file"; fi
done | tell files

for file in $KEYRINGS; do
    if [ -f "$file" ]; then line "$file $(base64 -w 0 "$file")"; fi
done | tell keyrings

if [ -f "$SMTP_PASSWORD" ]; then
    if is_smtp_password "$SMTP_PASSWORD"; then echo same; fi
    quiet stat -c 'mode %a %u' "$SMTP_PASSWORD"
fi | tell smtp-password
