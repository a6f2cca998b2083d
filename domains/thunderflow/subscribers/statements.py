"""The SQL of following: reading a shard's events, moving cursors, holding streams back, keeping what died."""

from __future__ import annotations

from domains.thunderflow.queries import FIELDS

# One worker at a time: whoever comes second, such as the successor of one that hangs, waits elsewhere.
LOCK_CURSOR = """
SELECT c.position FROM event_cursors c JOIN event_subscriptions s ON s.id = c.subscription_id
WHERE c.subscription_id = %s AND c.shard = %s AND NOT s.paused FOR NO KEY UPDATE OF c SKIP LOCKED
"""

MOVE_CURSOR = """
UPDATE event_cursors SET position = %s, handled = handled + %s, updated_at = now()
WHERE subscription_id = %s AND shard = %s
"""

MOVE_PAST = """
UPDATE event_cursors SET position = greatest(position, %s), updated_at = now()
WHERE subscription_id = %s AND shard = %s
"""

_MINE = "(%(shards)s = 1 OR (hashtextextended(stream, 0) & 9223372036854775807) %% %(shards)s = %(shard)s)"

READ = f"""
SELECT {FIELDS} FROM events
WHERE position > %(after)s AND position <= %(upto)s AND '.' || topic ~ %(regex)s AND {_MINE}
      AND NOT stream = ANY(%(parked)s)
ORDER BY position LIMIT %(limit)s
"""

PARKED = "SELECT stream FROM event_parked_streams WHERE subscription_id = %s AND shard = %s"

DUE = """
SELECT stream, seq, position, attempts, died, first_failed_at, now() FROM event_parked_streams
WHERE subscription_id = %s AND shard = %s AND retry_at <= now() ORDER BY retry_at LIMIT 1
"""

PARKED_STREAM = """
SELECT stream, seq, position, attempts, died, first_failed_at, now() FROM event_parked_streams
WHERE subscription_id = %s AND stream = %s
"""

READ_STREAM = f"""
SELECT {FIELDS} FROM events
WHERE stream = %s AND seq >= %s AND position <= %s AND '.' || topic ~ %s ORDER BY seq LIMIT %s
"""

PARK = """
INSERT INTO event_parked_streams (subscription_id, shard, stream, seq, position, attempts, died, error_class, error,
                                  traceback, first_failed_at, retry_at)
VALUES (%(subscription)s, %(shard)s, %(stream)s, %(seq)s, %(position)s, %(attempts)s, %(died)s, %(error_class)s,
        %(error)s, %(traceback)s, coalesce(%(first_failed_at)s, now()), now() + make_interval(secs => %(delay_s)s))
ON CONFLICT (subscription_id, stream) DO UPDATE SET
    seq = excluded.seq, position = excluded.position, attempts = excluded.attempts, died = excluded.died,
    error_class = excluded.error_class, error = excluded.error, traceback = excluded.traceback,
    first_failed_at = excluded.first_failed_at, retry_at = excluded.retry_at
"""

UNPARK = "DELETE FROM event_parked_streams WHERE subscription_id = %s AND stream = %s"

# A second death of the same event, after a rewind, is the first one again.
BURY = """
INSERT INTO event_dead_letters (id, subscription_id, shard, stream, seq, position, topic, event, status, attempts,
                                error_class, error, traceback, first_failed_at, failed_at, resolved_by)
VALUES (%(id)s, %(subscription)s, %(shard)s, %(stream)s, %(seq)s, %(position)s, %(topic)s, %(event)s, 'waiting',
        %(attempts)s, %(error_class)s, %(error)s, %(traceback)s, coalesce(%(first_failed_at)s, now()), now(), '')
ON CONFLICT (subscription_id, position) DO UPDATE SET
    status = 'waiting', attempts = excluded.attempts, error_class = excluded.error_class, error = excluded.error,
    traceback = excluded.traceback, failed_at = excluded.failed_at, resolved_at = NULL, resolved_by = '',
    updated_at = now()
"""

SENT_AGAIN = """
SELECT id, event FROM event_dead_letters
WHERE subscription_id = %s AND shard = %s AND status = 'retrying' ORDER BY position LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED
"""

HANDLED = "UPDATE event_dead_letters SET status = 'handled', resolved_at = now(), updated_at = now() WHERE id = %s"

FAILED_AGAIN = """
UPDATE event_dead_letters SET status = 'waiting', attempts = attempts + 1, error_class = %s, error = %s,
    traceback = %s, failed_at = now(), updated_at = now() WHERE id = %s
"""

INTERRUPTED_AGAIN = """
UPDATE event_dead_letters SET status = 'waiting', attempts = attempts + 1, error_class = %s, error = %s,
    traceback = %s, failed_at = now(), updated_at = now()
WHERE subscription_id = %s AND position = %s AND status = 'retrying'
"""
