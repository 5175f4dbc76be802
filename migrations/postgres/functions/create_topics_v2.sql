-- Creates topics with their log heads, each on its own.
--
-- What holds: names of live topics are unique, also once `.` is read as `_`: the lock of the cluster's
-- row lets one caller at a time look and insert. Creating the very same topic (by its id) again answers
-- with the topic, or that it was deleted: no id is used for two topics.
--
-- Clients know topics by name: a producer that wrote to a deleted topic goes on with its sequences in the
-- one that has the name now. To that producer a partition that the name had before has forgotten it. Which
-- producers there were: those whose ids were given out by now. Names are compared exactly here: no client
-- takes `a.b` for `a_b`.
CREATE OR REPLACE FUNCTION create_topics_v2(
    p_uuid uuid[], p_name text[], p_partitions integer[], p_replication_factor smallint[], p_configs text[]
)
-- One row per topic. o_outcome: 0 created, 1 exists, 2 collides with o_name, 3 was created before and deleted.
RETURNS TABLE (
    o_outcome integer, o_topic_id integer, o_topic_uuid uuid, o_name text, o_partitions integer,
    o_replication_factor smallint, o_configs text, o_version bigint
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_topic        topic%ROWTYPE;
    v_version      bigint;
    v_producer_ids bigint;
    v_known_before integer;
BEGIN
    SELECT c.catalog_version, c.next_producer_id INTO STRICT v_version, v_producer_ids
    FROM cluster c FOR NO KEY UPDATE;
    -- pause: create holds catalog

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        -- At most one: this very rule.
        SELECT t.* INTO v_topic FROM topic t
        WHERE t.state = 0 AND replace(t.name, '.', '_') = replace(p_name[i], '.', '_');
        IF NOT FOUND AND EXISTS (SELECT FROM topic t WHERE t.topic_uuid = p_uuid[i]) THEN
            o_outcome := 3;
        ELSIF v_topic.topic_id IS NULL THEN
            v_version := v_version + 1;
            INSERT INTO topic AS t (
                topic_uuid, name, partitions, replication_factor, configs, version, producer_ids_before)
            VALUES (p_uuid[i], p_name[i], p_partitions[i], p_replication_factor[i], p_configs[i]::jsonb,
                    v_version, v_producer_ids)
            RETURNING t.* INTO v_topic;
            -- 0 for a new name: its partitions have forgotten nobody.
            SELECT coalesce(max(t.partitions), 0) INTO v_known_before
            FROM topic t WHERE t.name = p_name[i] AND t.state = 1;
            INSERT INTO log_head (topic_id, partition, forgotten_through)
            SELECT v_topic.topic_id, n, CASE WHEN n < v_known_before THEN v_producer_ids - 1 ELSE -1 END
            FROM generate_series(0, p_partitions[i] - 1) AS n;
            o_outcome := 0;
        ELSIF v_topic.name <> p_name[i] THEN
            o_outcome := 2;
        ELSIF v_topic.topic_uuid <> p_uuid[i] THEN
            o_outcome := 1;
        ELSE
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
