"""What deploy.py is made of: one module for each thing that a deploy brings into order."""
