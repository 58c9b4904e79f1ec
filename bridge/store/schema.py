"""The SQLite schema, one step a version (design section 10).

``MIGRATIONS[n]`` brings a store from version n to n + 1; ``PRAGMA user_version`` tells the version
and the table ``migration`` when each step was taken. A step that was released never changes.
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: messages, the ids that lead to them, attempts in flight, fingerprints.
    """
    CREATE TABLE migration (
        version INTEGER PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        submission_id INTEGER NOT NULL,
        account TEXT NOT NULL,
        protocol TEXT NOT NULL,
        peer TEXT NOT NULL,
        phone TEXT NOT NULL,
        sender TEXT NOT NULL,
        message_type TEXT NOT NULL,
        text TEXT NOT NULL,
        options TEXT NOT NULL,           -- a JSON array, or empty
        fallback TEXT NOT NULL,
        route TEXT NOT NULL,
        level INTEGER NOT NULL,
        parts INTEGER NOT NULL,
        accepted_at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        scheduled_at INTEGER,
        expires_at INTEGER NOT NULL,
        receipts INTEGER NOT NULL,
        reference TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        unknown INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'accepted',
        upstream_id TEXT NOT NULL DEFAULT '',
        changed_at INTEGER NOT NULL DEFAULT 0,
        failure TEXT NOT NULL DEFAULT '',
        cause TEXT NOT NULL DEFAULT ''
    ) STRICT;

    -- What waits, by lane and due time: stays as small as the queue is.
    CREATE INDEX message_waiting ON message (account, level, route, due_at, id, expires_at)
        WHERE state = 'accepted';
    CREATE INDEX message_held ON message (account) WHERE state = 'held';
    CREATE INDEX message_submission ON message (submission_id)
        WHERE submission_id <> id;

    -- A submission of several messages has an id of its own.
    CREATE TABLE submission (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        messages INTEGER NOT NULL
    ) STRICT;

    -- Other ids of a message: of its parts, and the short ones of SMPP 3.3.
    CREATE TABLE alias (
        id INTEGER PRIMARY KEY,
        message_id INTEGER NOT NULL,
        receipts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX alias_message ON alias (message_id);

    -- One row a request that was begun: what was in flight when the daemon died.
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY,
        begun_at INTEGER NOT NULL,
        message_ids TEXT NOT NULL        -- a JSON array
    ) STRICT;

    -- Concatenated messages whose parts come one by one. A joined group keeps its parts for a
    -- while, so that a part that comes again is known.
    CREATE TABLE part_group (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        source TEXT NOT NULL,
        destination TEXT NOT NULL,
        reference INTEGER NOT NULL,
        total INTEGER NOT NULL,
        begun_at INTEGER NOT NULL,
        message_id INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX part_group_key ON part_group (account, source, destination, reference, total);
    CREATE INDEX part_group_begun ON part_group (begun_at);
    CREATE TABLE part (
        id INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL REFERENCES part_group (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        content BLOB NOT NULL,
        receipts INTEGER NOT NULL,
        at INTEGER NOT NULL,
        UNIQUE (group_id, number)
    ) STRICT;

    -- Accounts and upstreams that are held as a whole.
    CREATE TABLE hold (
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (scope, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE fingerprint (
        key BLOB PRIMARY KEY,
        message_id INTEGER NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX fingerprint_until ON fingerprint (until);
    """,
)

#: Ends the transaction of a step.
MIGRATED = """
    INSERT INTO migration (version, at)
        SELECT user_version, CAST(strftime('%s') AS INTEGER) FROM pragma_user_version;
    COMMIT;
"""
