-- Commits segments: the group commit. One call is one transaction.
--
-- What holds:
-- * A fenced or unknown incarnation, another cluster epoch, another past, and a segment that has a row
--   already, or was settled so long ago that its row is gone, each raise an error: then nothing was changed.
-- * Offsets are dense. The log heads of the call are locked, in key order, in one statement, and read in
--   the next: in READ COMMITTED a statement that waits for a lock goes on with the snapshot it began
--   with, so one that locks and reads at once may read what was true before it waited.
-- * A head that the locking statement did not find is treated as absent, even if a topic is created a
--   moment later: the reading statement would see it, but nobody holds its lock.
-- * Producer rows are read and changed only under the lock of their log head; they need none of their own.
-- * Runs are judged in order by the rule of `esker_model::sequence::judge`.
--
-- Callers send flat arrays. Runs refer to heads, and to (partition, producer) pairs, by index from 1;
-- pair 0 means no producer. Batches are only looked at where a run does not simply follow.
--
-- The reply has for each piece of each run `batches * 16 + last_of_run * 8 + kind`, then
-- kind 0, appended: base offset; 1, duplicate: base offset, max timestamp (-1 and -1 of one that is older
-- than the remembered runs, of a producer whose sequences were all appended); 2 gap; 3 out of order;
-- 4 stale epoch; 5 unknown partition; 6: the run has no batches.
CREATE OR REPLACE FUNCTION commit_v1(
    p_epoch integer, p_system bigint, p_timeline integer,
    p_incarnation uuid, p_settled_through bigint,
    -- Segments, ascending by seq, with their number of runs.
    p_seq bigint[], p_object_bytes bigint[], p_segment_runs integer[],
    -- Log heads, ascending by key.
    p_topic integer[], p_partition integer[],
    -- (Partition, producer) pairs.
    p_pair_head integer[], p_pair_producer bigint[],
    -- Runs in the order of the segments. p_run_batch: batches before this run's first.
    p_run_head integer[], p_run_pair integer[], p_run_epoch integer[], p_run_first bigint[],
    p_run_records bigint[], p_run_bytes bigint[], p_run_position bigint[], p_run_max_timestamp bigint[],
    p_run_transactional boolean[], p_run_batch integer[], p_run_batches integer[],
    -- Batches in the order of the runs.
    p_batch_records integer[], p_batch_bytes bigint[],
    -- The call's records add up to 2^30 or more: judge every run batch by batch.
    p_careful boolean,
    OUT o_reply bigint[], OUT o_reply_to integer[],
    OUT o_log_start bigint[], OUT o_next_offset bigint[], OUT o_last_stable_offset bigint[],
    OUT o_archived_to bigint[]
)
LANGUAGE plpgsql
-- Row counts of arrays are unknown to the planner, and a plan made while tables are empty lives as long
-- as the session: only look-ups by primary key are right here. Without JIT: a forbidden scan that is used
-- after all (of the cluster's one row) counts as so dear that the statement would be compiled each time.
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $function$
DECLARE
    c_sequences  CONSTANT bigint := 2147483648;
    c_half       CONSTANT bigint := 1073741824;
    c_segments   CONSTANT integer := cardinality(p_seq);
    c_pairs      CONSTANT integer := cardinality(p_pair_head);
    v_cluster    record;
    v_past       record;
    v_state      smallint;
    v_inserted   integer;
    v_bucket     smallint;
    -- By head.
    v_locked     bigint[];
    v_topic      integer[] := p_topic;    -- NULL where there is no head
    v_old_next   bigint[];
    v_forgotten  bigint[];
    -- By pair.
    v_epoch      integer[];
    v_next       bigint[];     -- the sequence that follows; NULL: nothing appended yet
    v_noted      integer[];    -- lowest sequence offered, while only noted
    v_slot       integer[];
    v_from_zero  boolean[];    -- all sequences from 0 on were appended
    v_wide       boolean[];    -- the remembered runs may reach round the circle of sequences
    v_runs       bigint[];     -- two dimensions: pair, then five slots of four values
    v_changed    boolean[];
    -- Extents.
    v_extents    integer := 0;
    v_ext_run    integer[] := '{}';
    v_ext_seq    bigint[]  := '{}';
    v_ext_object bigint[]  := '{}';
    v_ext_base   bigint[]  := '{}';
    v_ext_end    bigint[]  := '{}';
    v_ext_at     bigint[]  := '{}';
    v_ext_bytes  bigint[]  := '{}';
    -- The reply.
    v_reply      bigint[] := '{}';
    v_words      integer := 0;
    v_reply_to   integer[];
    -- The run at hand.
    r            integer := 0;
    h            integer;
    j            integer;
    v_batches    integer;
    v_judged     integer;
    v_kind       integer;
    v_run_epoch  integer;
    v_sequence   bigint;
    v_records    bigint;
    v_position   bigint;
    v_bytes      bigint;
    v_base       bigint;
    -- The batch at hand.
    v_batch      bigint;
    v_into       bigint;
    v_ahead      bigint;
    v_at         integer;
BEGIN
    -- A pooler may hand out a session whose settings another program changed.
    PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'on';

    SELECT c.epoch, c.system_identifier, c.timeline INTO STRICT v_cluster FROM cluster c;
    IF v_cluster.epoch <> p_epoch THEN
        RAISE EXCEPTION 'wrong cluster epoch' USING ERRCODE = 'ES002', DETAIL = v_cluster.epoch;
    END IF;
    -- The row tells what the cluster last saw, the caller what it knows: an old primary that still
    -- answers has a row that agrees with itself.
    SELECT p.o_system, p.o_timeline INTO v_past FROM past_v1() p;
    IF v_past.o_system <> p_system OR v_past.o_timeline <> p_timeline
        OR v_past.o_system <> v_cluster.system_identifier OR v_past.o_timeline <> v_cluster.timeline
    THEN
        RAISE EXCEPTION 'different past'
            USING ERRCODE = 'ES004', DETAIL = v_past.o_system || ' ' || v_past.o_timeline;
    END IF;

    -- Not FOR SHARE: that would make this agent's heartbeats wait for its commits. If a fencer holds the
    -- row, this waits, and returns the state that the fencer left.
    SELECT a.state INTO v_state FROM agent a WHERE a.incarnation = p_incarnation FOR KEY SHARE;
    IF v_state IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'fenced' USING ERRCODE = 'ES001';
    END IF;
    -- pause: commit holds fence

    -- Key order is the order in which every transaction locks heads. The strength is that of the update
    -- below; nobody takes a weaker lock on heads.
    SELECT array_agg(l.i ORDER BY l.i) INTO v_locked
    FROM (
        SELECT q.i
        FROM unnest(p_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
        JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition
        ORDER BY lh.topic_id, lh.partition
        FOR NO KEY UPDATE OF lh
    ) l;
    -- pause: commit holds heads
    IF cardinality(v_locked) IS DISTINCT FROM cardinality(p_topic) THEN
        j := 1;
        FOR i IN 1 .. cardinality(p_topic) LOOP
            IF v_locked[j] = i THEN
                j := j + 1;
            ELSE
                v_topic[i] := NULL;
            END IF;
        END LOOP;
    END IF;

    SELECT array_agg(lh.log_start ORDER BY q.i), array_agg(lh.next_offset ORDER BY q.i),
           array_agg(lh.last_stable_offset ORDER BY q.i), array_agg(lh.archived_to ORDER BY q.i),
           array_agg(lh.forgotten_through ORDER BY q.i)
    INTO o_log_start, o_next_offset, o_last_stable_offset, o_archived_to, v_forgotten
    FROM unnest(v_topic, p_partition) WITH ORDINALITY AS q (topic_id, partition, i)
    LEFT JOIN log_head lh ON lh.topic_id = q.topic_id AND lh.partition = q.partition;
    v_old_next := o_next_offset;

    IF c_pairs > 0 THEN
        SELECT array_agg(pp.epoch::integer ORDER BY q.i), array_agg(pp.next_sequence::bigint ORDER BY q.i),
               array_agg(pp.noted_lowest ORDER BY q.i), array_agg(pp.run_slot::integer ORDER BY q.i),
               array_agg(pp.from_zero ORDER BY q.i),
               array_agg(pp.runs[2] + pp.runs[6] + pp.runs[10] + pp.runs[14] + pp.runs[18] >= c_half
                         ORDER BY q.i),
               array_agg(coalesce(pp.runs, array_fill(0::bigint, ARRAY[20])) ORDER BY q.i)
        INTO v_epoch, v_next, v_noted, v_slot, v_from_zero, v_wide, v_runs
        FROM unnest(p_pair_head, p_pair_producer) WITH ORDINALITY AS q (head, producer_id, i)
        LEFT JOIN producer_partition pp
            ON pp.topic_id = v_topic[q.head] AND pp.partition = p_partition[q.head]
            AND pp.producer_id = q.producer_id;
        v_changed := array_fill(false, ARRAY[c_pairs]);
    END IF;

    FOR s IN 1 .. c_segments LOOP
        FOR i IN r + 1 .. r + p_segment_runs[s] LOOP
            h := p_run_head[i];
            j := p_run_pair[i];
            v_batches := p_run_batches[i];
            v_records := p_run_records[i];
            v_position := p_run_position[i];
            v_bytes := p_run_bytes[i];
            v_judged := 0;
            v_kind := 0;
            v_base := o_next_offset[h];

            IF v_batches = 0 THEN
                v_words := v_words + 1;
                v_reply[v_words] := 14;
                CONTINUE;
            END IF;

            IF v_base IS NULL THEN
                v_kind := 5;
            ELSIF j > 0 THEN
                v_run_epoch := p_run_epoch[i];
                v_sequence := p_run_first[i];
                -- The usual run follows the last one, of the same epoch. If the remembered runs and
                -- this call stay below the whole circle of sequences, it cannot be in one of them.
                IF p_careful OR v_wide[j] OR (v_next[j] = v_sequence AND v_epoch[j] = v_run_epoch) IS NOT TRUE
                THEN
                    WHILE v_judged < v_batches LOOP
                        v_batch := p_batch_records[p_run_batch[i] + v_judged + 1];
                        IF v_epoch[j] IS NULL THEN
                            -- Never seen, or forgotten.
                            IF v_sequence <> 0 THEN
                                v_kind := 2;
                                IF p_pair_producer[j] <= v_forgotten[h] THEN
                                    v_epoch[j] := v_run_epoch;
                                    v_noted[j] := v_sequence;
                                    v_changed[j] := true;
                                END IF;
                            END IF;
                            EXIT;
                        ELSIF v_epoch[j] > v_run_epoch THEN
                            v_kind := 4;
                            EXIT;
                        ELSIF v_noted[j] IS NOT NULL THEN
                            IF v_sequence <> 0 AND v_epoch[j] < v_run_epoch THEN
                                v_kind := 2;
                                v_epoch[j] := v_run_epoch;
                                v_noted[j] := v_sequence;
                                v_changed[j] := true;
                            ELSIF v_sequence <> 0 AND v_sequence <> v_noted[j] THEN
                                v_kind := 2;
                                IF v_sequence < v_noted[j] THEN
                                    v_noted[j] := v_sequence;
                                    v_changed[j] := true;
                                END IF;
                            END IF;
                            EXIT;
                        ELSIF v_epoch[j] < v_run_epoch THEN
                            -- A new epoch starts at 0.
                            IF v_sequence <> 0 THEN
                                v_kind := 2;
                            END IF;
                            EXIT;
                        END IF;

                        -- Known, of the same epoch: remembered runs first, the newest first.
                        v_kind := 0;
                        FOR age IN 1 .. 5 LOOP
                            v_at := 4 * ((v_slot[j] + 5 - age) % 5);
                            v_into := (v_sequence - v_runs[j][v_at + 1] + c_sequences) % c_sequences;
                            IF v_into + v_batch <= v_runs[j][v_at + 2] THEN
                                v_kind := 1;
                                EXIT;
                            END IF;
                        END LOOP;
                        IF v_kind = 0 THEN
                            v_ahead := (v_sequence - v_next[j] + c_sequences) % c_sequences;
                            IF v_ahead >= c_half AND v_from_zero[j] AND v_sequence + v_batch <= v_next[j] THEN
                                v_kind := 1;
                                v_at := NULL;
                            ELSIF v_ahead >= c_half THEN
                                v_kind := 3;
                            ELSIF v_ahead > 0 THEN
                                v_kind := 2;
                            END IF;
                            EXIT WHEN v_kind <> 1;
                        END IF;

                        -- A duplicate: answered on its own and peeled off.
                        v_judged := v_judged + 1;
                        v_reply[v_words + 1] := 17 + CASE WHEN v_judged = v_batches THEN 8 ELSE 0 END;
                        v_reply[v_words + 2] := coalesce(v_runs[j][v_at + 3] + v_into, -1);
                        v_reply[v_words + 3] := coalesce(v_runs[j][v_at + 4], -1);
                        v_words := v_words + 3;
                        v_sequence := (v_sequence + v_batch) % c_sequences;
                        v_records := v_records - v_batch;
                        v_position := v_position + p_batch_bytes[p_run_batch[i] + v_judged];
                        v_bytes := v_bytes - p_batch_bytes[p_run_batch[i] + v_judged];
                    END LOOP;
                    CONTINUE WHEN v_judged = v_batches;
                END IF;
            END IF;

            v_words := v_words + 1;
            v_reply[v_words] := (v_batches - v_judged) * 16 + 8 + v_kind;
            CONTINUE WHEN v_kind <> 0;

            v_words := v_words + 1;
            v_reply[v_words] := v_base;
            v_extents := v_extents + 1;
            v_ext_run[v_extents] := i;
            v_ext_seq[v_extents] := p_seq[s];
            v_ext_object[v_extents] := p_object_bytes[s];
            v_ext_base[v_extents] := v_base;
            v_ext_end[v_extents] := v_base + v_records;
            v_ext_at[v_extents] := v_position;
            v_ext_bytes[v_extents] := v_bytes;
            o_next_offset[h] := v_base + v_records;

            IF j > 0 THEN
                IF v_epoch[j] = v_run_epoch AND v_noted[j] IS NULL THEN
                    v_at := 4 * v_slot[j];
                    v_slot[j] := (v_slot[j] + 1) % 5;
                ELSE
                    -- The first run of a producer or of its epoch: nothing older is remembered.
                    v_epoch[j] := v_run_epoch;
                    v_noted[j] := NULL;
                    v_from_zero[j] := v_sequence = 0;
                    v_at := 0;
                    v_slot[j] := 1;
                    v_runs[j][6] := 0;
                    v_runs[j][10] := 0;
                    v_runs[j][14] := 0;
                    v_runs[j][18] := 0;
                END IF;
                v_runs[j][v_at + 1] := v_sequence;
                v_runs[j][v_at + 2] := v_records;
                v_runs[j][v_at + 3] := v_base;
                v_runs[j][v_at + 4] := p_run_max_timestamp[i];
                v_next[j] := (v_sequence + v_records) % c_sequences;
                v_changed[j] := true;
            END IF;
        END LOOP;
        r := r + p_segment_runs[s];
        v_reply_to[s] := v_words;
    END LOOP;

    IF v_extents > 0 THEN
        v_bucket := floor(extract(epoch FROM clock_timestamp()) / 900)::bigint % 8;
        INSERT INTO extent (
            bucket, transactional, control, topic_id, partition, epoch, base_offset, end_offset,
            incarnation, seq, object_bytes, position, bytes, max_timestamp, producer_id, producer_epoch)
        SELECT v_bucket, p_run_transactional[e.run], false, p_topic[p_run_head[e.run]],
               p_partition[p_run_head[e.run]], p_epoch, e.base_offset, e.end_offset,
               p_incarnation, e.seq, e.object_bytes, e.position, e.bytes, p_run_max_timestamp[e.run],
               p_pair_producer[nullif(p_run_pair[e.run], 0)],
               CASE WHEN p_run_pair[e.run] > 0 THEN p_run_epoch[e.run] END
        FROM unnest(v_ext_run, v_ext_seq, v_ext_object, v_ext_base, v_ext_end, v_ext_at, v_ext_bytes)
            AS e (run, seq, object_bytes, base_offset, end_offset, position, bytes);

        -- No transaction is open where the last stable offset is the end of the log: it moves along.
        UPDATE log_head lh
        SET next_offset = n.next_offset,
            last_stable_offset = CASE WHEN lh.last_stable_offset = lh.next_offset THEN n.next_offset
                                      ELSE lh.last_stable_offset END
        FROM unnest(v_topic, p_partition, v_old_next, o_next_offset)
            AS n (topic_id, partition, old_next, next_offset)
        WHERE lh.topic_id = n.topic_id AND lh.partition = n.partition AND n.next_offset > n.old_next;
    END IF;

    IF c_pairs > 0 THEN
        INSERT INTO producer_partition AS pp (
            topic_id, partition, producer_id, epoch, run_slot, next_sequence, noted_lowest, updated_at, from_zero,
            runs)
        SELECT p_topic[p_pair_head[q.j]], p_partition[p_pair_head[q.j]], p_pair_producer[q.j],
               v_epoch[q.j], coalesce(v_slot[q.j], 0), v_next[q.j], v_noted[q.j], clock_timestamp(),
               coalesce(v_from_zero[q.j], false),
               ARRAY[v_runs[q.j][1], v_runs[q.j][2], v_runs[q.j][3], v_runs[q.j][4],
                     v_runs[q.j][5], v_runs[q.j][6], v_runs[q.j][7], v_runs[q.j][8],
                     v_runs[q.j][9], v_runs[q.j][10], v_runs[q.j][11], v_runs[q.j][12],
                     v_runs[q.j][13], v_runs[q.j][14], v_runs[q.j][15], v_runs[q.j][16],
                     v_runs[q.j][17], v_runs[q.j][18], v_runs[q.j][19], v_runs[q.j][20]]
        FROM unnest(v_changed) WITH ORDINALITY AS q (changed, j)
        WHERE q.changed
        ON CONFLICT (topic_id, partition, producer_id) DO UPDATE
        SET epoch = excluded.epoch, run_slot = excluded.run_slot, next_sequence = excluded.next_sequence,
            noted_lowest = excluded.noted_lowest, updated_at = excluded.updated_at,
            from_zero = excluded.from_zero, runs = excluded.runs;
    END IF;
    -- pause: commit wrote extents

    -- Last, as segments come last in the lock order. A row that stands there already (a tombstone, or
    -- this very commit, sent twice) wins; a settle that is under way is waited for.
    INSERT INTO segment (incarnation, seq, kind, state, object_bytes, settled_through, reply)
    SELECT p_incarnation, q.seq, 0, 0, q.object_bytes, p_settled_through,
           v_reply[q.reply_from + 1 : q.reply_to]
    FROM (
        SELECT u.seq, u.object_bytes, u.reply_to, lag(u.reply_to, 1, 0) OVER (ORDER BY u.i) AS reply_from
        FROM unnest(p_seq, p_object_bytes, v_reply_to) WITH ORDINALITY AS u (seq, object_bytes, reply_to, i)
    ) q
    ON CONFLICT (incarnation, seq) DO NOTHING;
    GET DIAGNOSTICS v_inserted = ROW_COUNT;
    -- A call that comes so late that its tombstone went with its object finds no row. Looked at after the insert: that
    -- waited for whoever removes the row, and that one saw what was settled.
    IF v_inserted <> c_segments OR p_seq[1] <= (
        -- As settled_through_v1, without this call's own.
        SELECT last.settled_through
        FROM segment last
        WHERE last.incarnation = p_incarnation AND last.state <> 2 AND last.seq <> ALL (p_seq)
        ORDER BY last.seq DESC
        LIMIT 1)
    THEN
        RAISE EXCEPTION 'already settled' USING ERRCODE = 'ES003';
    END IF;
    -- pause: commit wrote segments

    o_reply := v_reply;
    o_reply_to := v_reply_to;
    FOR i IN 1 .. cardinality(p_topic) LOOP
        IF o_last_stable_offset[i] = v_old_next[i] THEN
            o_last_stable_offset[i] := o_next_offset[i];
        END IF;
    END LOOP;
END
$function$;
