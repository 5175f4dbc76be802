-- The catalog's version and the topics that changed after another one, in one snapshot.
--
-- What holds: versions become visible in order, because whoever changes the catalog holds the lock of
-- the cluster's row from raising the version to its commit. Without changes there is one row, whose topic
-- is NULL.
CREATE OR REPLACE FUNCTION catalog_v1(p_since bigint)
RETURNS TABLE (
    o_catalog_version bigint, o_topic_id integer, o_topic_uuid uuid, o_name text, o_partitions integer,
    o_replication_factor smallint, o_configs text, o_version bigint, o_deleted boolean
)
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
    RETURN QUERY
    SELECT c.catalog_version, t.topic_id, t.topic_uuid, t.name, t.partitions, t.replication_factor,
           t.configs::text, t.version, t.state <> 0
    FROM cluster c
    LEFT JOIN topic t ON t.version > p_since
    ORDER BY t.version;
END
$function$;
