-- The catalog's version, the topics that changed after another one, and the groups whose configs did, in one snapshot.
--
-- What holds: versions become visible in order, because whoever changes the catalog holds the lock of the cluster's row
-- from raising the version to its commit. The first row says which version, and whether the groups told are all that have
-- configs (one has lost its last since); it names no topic and no group. Each of the others names one.
CREATE OR REPLACE FUNCTION catalog_v2(p_since bigint)
RETURNS TABLE (
    o_catalog_version bigint, o_groups_anew boolean, o_topic_id integer, o_topic_uuid uuid, o_name text,
    o_partitions integer, o_replication_factor smallint, o_group bytea, o_configs text, o_version bigint,
    o_deleted boolean
)
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
    RETURN QUERY
    WITH asked AS (
        SELECT c.catalog_version, e.version > p_since AS anew,
               CASE WHEN e.version > p_since THEN 0 ELSE p_since END AS groups_since
        FROM cluster c, group_config_emptied e
    )
    SELECT a.catalog_version, a.anew, NULL::integer, NULL::uuid, NULL::text, NULL::integer, NULL::smallint, NULL::bytea,
           NULL::text, NULL::bigint, NULL::boolean
    FROM asked a
    UNION ALL
    SELECT NULL, NULL, t.topic_id, t.topic_uuid, t.name, t.partitions, t.replication_factor, NULL, t.configs::text,
           t.version, t.state <> 0
    FROM topic t
    WHERE t.version > p_since
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, g.group_id, g.configs::text, g.version, false
    FROM asked a JOIN group_config g ON g.version > a.groups_since
    ORDER BY 10 NULLS FIRST;
END
$function$;
