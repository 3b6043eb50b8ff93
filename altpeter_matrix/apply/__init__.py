"""From settings to the active generation: prepared, proved, stored, activated, taken back."""
