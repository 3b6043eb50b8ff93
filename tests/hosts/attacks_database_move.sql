-- What PostgreSQL computes with while pg_upgrade makes it anew, as superuser; run after
-- attacks_database.sql, as Synapse's role.
create function evil.folded(text) returns text language plpgsql immutable as
    $$ begin perform evil.strike($1); return $1; end $$;

create domain evil.start as text check (evil.strike('aggregate'));
create function evil.keep(evil.start, text) returns evil.start language sql as 'select $1';
create aggregate evil.first(text) (sfunc = evil.keep, stype = evil.start, initcond = 'x');

create table evil.parts (name text) partition by list ((name || evil.folded('partition-key')));
create domain evil.bound as text check (evil.strike('partition-bound'));
create table evil.bounded (name evil.bound) partition by list (name);
create table evil.bounded_x partition of evil.bounded for values in ('x');

create table evil.generated (
    name text, more text generated always as (name || evil.folded('generated')) stored
);

create domain evil.written as text check (evil.strike('literal'));
create table evil.literal (names evil.written[] default '{x}');

-- A check of a whole row is made after its table.
create table evil.looped (name text);
create function evil.fine(evil.looped, text) returns boolean language sql immutable as 'select true';
alter table evil.looped add constraint looped check (evil.fine(looped.*, evil.folded('check-of-a-row')));
