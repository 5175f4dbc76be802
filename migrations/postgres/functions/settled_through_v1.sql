-- Up to which seq an incarnation will never again ask, or be told, what became of its ingest segments: what it has
-- settled; everything, if it does not live. Who ended commits and settles nothing any more.
--
-- What was settled only grows with the segments. The last committed one stays as long as the incarnation lives: no
-- agent settles what it is just committing.
CREATE OR REPLACE FUNCTION settled_through_v1(p_incarnation uuid) RETURNS bigint
LANGUAGE sql STABLE AS $function$
    SELECT CASE
        WHEN EXISTS (SELECT FROM agent a WHERE a.incarnation = p_incarnation AND a.state = 0) THEN
            coalesce((
                SELECT last.settled_through
                FROM segment last
                WHERE last.incarnation = p_incarnation AND last.state <> 2
                ORDER BY last.seq DESC
                LIMIT 1), 0)
        ELSE 9223372036854775807
    END
$function$;
