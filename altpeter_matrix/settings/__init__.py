"""The administrator's settings: read once, validated, frozen and typed. Knows no host."""
