"""PostgreSQL: its clusters, Synapse's role and database, and all SQL."""
