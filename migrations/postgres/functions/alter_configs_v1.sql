-- Sets and removes topic configs. `p_changes` are JSON objects: a text sets, null removes.
CREATE OR REPLACE FUNCTION alter_configs_v1(p_uuid uuid[], p_replace_all boolean[], p_changes text[])
-- One row per request. o_outcome: 0 done, 1 unknown topic.
RETURNS TABLE (
    o_outcome integer, o_topic_id integer, o_topic_uuid uuid, o_name text, o_partitions integer,
    o_replication_factor smallint, o_configs text, o_version bigint
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_topic   topic%ROWTYPE;
    v_version bigint;
BEGIN
    SELECT c.catalog_version INTO STRICT v_version FROM cluster c FOR NO KEY UPDATE;

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        UPDATE topic t
        SET configs = jsonb_strip_nulls(
                CASE WHEN p_replace_all[i] THEN '{}' ELSE t.configs END || p_changes[i]::jsonb),
            version = v_version + 1
        WHERE t.topic_uuid = p_uuid[i] AND t.state = 0
        RETURNING t.* INTO v_topic;
        o_outcome := 1;
        IF FOUND THEN
            v_version := v_version + 1;
            o_outcome := 0;
        END IF;
        o_topic_id := v_topic.topic_id;
        o_topic_uuid := v_topic.topic_uuid;
        o_name := v_topic.name;
        o_partitions := v_topic.partitions;
        o_replication_factor := v_topic.replication_factor;
        o_configs := v_topic.configs::text;
        o_version := v_topic.version;
        RETURN NEXT;
    END LOOP;

    UPDATE cluster SET catalog_version = v_version WHERE catalog_version <> v_version;
END
$function$;
