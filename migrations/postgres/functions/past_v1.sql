-- Which server this is: its system identifier (given by initdb) and its timeline (raised by every
-- promotion and point-in-time recovery).
--
-- The timeline is taken from the WAL that is being written: the control file names that of the last
-- checkpoint, which is the old one for a while after a promotion. Fails on a standby.
CREATE OR REPLACE FUNCTION past_v1(OUT o_system bigint, OUT o_timeline integer)
LANGUAGE sql VOLATILE AS $function$
    SELECT (pg_control_system()).system_identifier,
           ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
$function$;
