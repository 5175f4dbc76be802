-- Raises the number of partitions of topics, each on its own.
--
-- A partition that a deleted topic of the name had before has forgotten the producers that there were when
-- this topic was created (see create_topics_v2); those that came later never knew the earlier one.
CREATE OR REPLACE FUNCTION create_partitions_v2(p_uuid uuid[], p_partitions integer[])
-- One row per request. o_outcome: 0 raised, 1 unknown topic, 2 it has o_partitions already.
RETURNS TABLE (
    o_outcome integer, o_topic_id integer, o_topic_uuid uuid, o_name text, o_partitions integer,
    o_replication_factor smallint, o_configs text, o_version bigint
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_topic        topic%ROWTYPE;
    v_version      bigint;
    v_known_before integer;
BEGIN
    SELECT c.catalog_version INTO STRICT v_version FROM cluster c FOR NO KEY UPDATE;

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        SELECT t.* INTO v_topic FROM topic t WHERE t.topic_uuid = p_uuid[i] AND t.state = 0;
        IF NOT FOUND THEN
            o_outcome := 1;
        ELSIF v_topic.partitions >= p_partitions[i] THEN
            o_outcome := 2;
        ELSE
            v_version := v_version + 1;
            SELECT coalesce(max(t.partitions), 0) INTO v_known_before
            FROM topic t WHERE t.name = v_topic.name AND t.state = 1;
            INSERT INTO log_head (topic_id, partition, forgotten_through)
            SELECT v_topic.topic_id, n,
                   CASE WHEN n < v_known_before THEN v_topic.producer_ids_before - 1 ELSE -1 END
            FROM generate_series(v_topic.partitions, p_partitions[i] - 1) AS n;
            UPDATE topic t SET partitions = p_partitions[i], version = v_version
            WHERE t.topic_id = v_topic.topic_id
            RETURNING t.* INTO v_topic;
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
