-- Sets and removes configs of topics and of groups, each on its own. Of `p_uuid` and `p_group` one says whose; `p_changes`
-- are JSON objects: a text sets, null removes.
--
-- What holds: no more than `p_groups_max` groups have configs; one that has none has no row. The lock of the cluster's row
-- lets one caller at a time count and insert.
CREATE OR REPLACE FUNCTION alter_configs_v2(
    p_uuid uuid[], p_group bytea[], p_replace_all boolean[], p_changes text[], p_groups_max bigint
)
-- One row per request. o_outcome: 0 done, 1 unknown topic, 2 too many groups. Of a group only o_configs is told.
RETURNS TABLE (
    o_outcome integer, o_topic_id integer, o_topic_uuid uuid, o_name text, o_partitions integer,
    o_replication_factor smallint, o_configs text, o_version bigint
)
LANGUAGE plpgsql
AS $function$
DECLARE
    v_topic   topic%ROWTYPE;
    v_configs jsonb;
    v_had     boolean;
    v_groups  bigint;
    v_emptied bigint;
    v_version bigint;
BEGIN
    SELECT c.catalog_version INTO STRICT v_version FROM cluster c FOR NO KEY UPDATE;
    -- pause: alter holds catalog

    FOR i IN 1 .. cardinality(p_uuid) LOOP
        v_topic := NULL;
        v_configs := NULL;
        IF p_group[i] IS NULL THEN
            UPDATE topic t
            SET configs = jsonb_strip_nulls(
                    CASE WHEN p_replace_all[i] THEN '{}' ELSE t.configs END || p_changes[i]::jsonb),
                version = v_version + 1
            WHERE t.topic_uuid = p_uuid[i] AND t.state = 0
            RETURNING t.* INTO v_topic;
            o_outcome := 1;
            IF FOUND THEN
                v_version := v_version + 1;
                v_configs := v_topic.configs;
                o_outcome := 0;
            END IF;
        ELSE
            o_outcome := 0;
            SELECT g.configs INTO v_configs FROM group_config g WHERE g.group_id = p_group[i];
            v_had := FOUND;
            v_configs := jsonb_strip_nulls(
                CASE WHEN v_had AND NOT p_replace_all[i] THEN v_configs ELSE '{}' END || p_changes[i]::jsonb);
            IF v_groups IS NULL THEN
                SELECT count(*) INTO STRICT v_groups FROM group_config;
            END IF;
            IF v_configs = '{}' THEN
                IF v_had THEN
                    DELETE FROM group_config g WHERE g.group_id = p_group[i];
                    v_groups := v_groups - 1;
                    v_version := v_version + 1;
                    v_emptied := v_version;
                END IF;
            ELSIF v_had THEN
                v_version := v_version + 1;
                UPDATE group_config g SET configs = v_configs, version = v_version WHERE g.group_id = p_group[i];
            ELSIF v_groups < p_groups_max THEN
                v_groups := v_groups + 1;
                v_version := v_version + 1;
                INSERT INTO group_config (group_id, configs, version) VALUES (p_group[i], v_configs, v_version);
            ELSE
                o_outcome := 2;
            END IF;
        END IF;
        o_topic_id := v_topic.topic_id;
        o_topic_uuid := v_topic.topic_uuid;
        o_name := v_topic.name;
        o_partitions := v_topic.partitions;
        o_replication_factor := v_topic.replication_factor;
        o_configs := v_configs::text;
        o_version := v_topic.version;
        RETURN NEXT;
    END LOOP;

    UPDATE group_config_emptied SET version = v_emptied WHERE v_emptied IS NOT NULL;
    UPDATE cluster SET catalog_version = v_version WHERE catalog_version <> v_version;
END
$function$;
