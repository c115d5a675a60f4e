-- Fills an empty database of feedbackd, whose counters then equal a recount.
--
-- Parameters: :rows; :sessions, among which they are divided, :abreast of them at a time, as people
-- come and go; :big_every, of which each one goes to the one session named `big` (0: none).
-- `session-0000000` and so on are the load generator's names.

PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -500000;
BEGIN;
INSERT INTO session (id, session_id) VALUES (1, 'big');
WITH RECURSIVE number(i) AS (
    SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < :sessions
)
INSERT INTO session (id, session_id) SELECT i + 2, printf('session-%07d', i) FROM number;

-- The rows of the last 30 days, evenly.
WITH RECURSIVE number(i) AS (
    SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i + 1 < :rows
), place(i, is_big, small) AS (
    SELECT i, :big_every > 0 AND i % :big_every = 0,
        CASE WHEN :big_every > 0 THEN i - i / :big_every - 1 ELSE i END
    FROM number
), parts AS (
    -- So many rows fill up the sessions that are abreast.
    SELECT (:rows - CASE WHEN :big_every > 0 THEN :rows / :big_every ELSE 0 END)
        * :abreast / :sessions AS rows_abreast
)
INSERT INTO feedback
    (sequence, session, feedback_id, request_id, rating, comment, created_at)
SELECT i + 1,
    CASE WHEN is_big THEN 1
        ELSE 2 + small / rows_abreast * :abreast + small % :abreast END,
    randomblob(16), lower(hex(randomblob(18))), i % 3,
    CASE WHEN i % 4 > 0 THEN substr('Very helpful, this solved my problem at once.', i % 40) END,
    :now - 2592000000 + i * 2592000000 / :rows
FROM place, parts;

INSERT INTO hour_total
SELECT session, created_at / 3600000,
    sum(rating = 0 AND comment IS NULL), sum(rating = 0 AND comment IS NOT NULL),
    sum(rating = 1 AND comment IS NULL), sum(rating = 1 AND comment IS NOT NULL),
    sum(rating = 2 AND comment IS NULL), sum(rating = 2 AND comment IS NOT NULL),
    ifnull(sum(length(comment)), 0), min(sequence), max(sequence)
FROM feedback GROUP BY 1, 2;
INSERT INTO hour_total
SELECT 0, hour, sum(none_bare), sum(none_commented), sum(up_bare), sum(up_commented),
    sum(down_bare), sum(down_commented), sum(comment_code_points),
    min(first_sequence), max(last_sequence)
FROM hour_total GROUP BY hour;
INSERT INTO session_total
SELECT session, sum(none_bare), sum(none_commented), sum(up_bare), sum(up_commented),
    sum(down_bare), sum(down_commented), sum(comment_code_points)
FROM hour_total GROUP BY session;
COMMIT;
