-- As delete_topics_v3: what an agent of an earlier release calls leaves no manifest, and has the topic emptied.
CREATE OR REPLACE FUNCTION delete_topics_v2(p_uuid uuid[])
RETURNS SETOF boolean
LANGUAGE plpgsql
AS $function$
BEGIN
    RETURN QUERY SELECT d FROM delete_topics_v3(p_uuid) WITH ORDINALITY AS t (d, i) ORDER BY i;
END
$function$;
