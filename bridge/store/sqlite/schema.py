"""The SQLite schema, one migration per version.

``MIGRATIONS[n]`` brings a store from version n to n + 1. ``PRAGMA user_version`` is the version;
the table ``migration`` has the time of each migration. A released migration never changes.
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

    -- Waiting messages by lane and due time. No larger than the queue.
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

    -- One row for each request that was begun: the messages in flight if the daemon dies.
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY,
        begun_at INTEGER NOT NULL,
        message_ids TEXT NOT NULL        -- a JSON array
    ) STRICT;

    -- Concatenated messages, whose parts come one by one. A joined group keeps its parts for a
    -- while, so that repeated parts are recognised.
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
    # 2: statuses, notices, messages from phones, and the story of a message.
    """
    ALTER TABLE message ADD COLUMN envelope TEXT NOT NULL DEFAULT '';   -- JSON, or empty
    ALTER TABLE message ADD COLUMN sent_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN status TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN status_at INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN cost TEXT NOT NULL DEFAULT '';
    ALTER TABLE message ADD COLUMN counted_parts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN err INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE message ADD COLUMN poll_at INTEGER NOT NULL DEFAULT 0;
    -- Only messages under way: random keys are expensive in a large index.
    CREATE INDEX message_upstream ON message (upstream_id) WHERE state = 'sent';
    -- Messages with requested notices come first.
    CREATE INDEX message_poll ON message (receipts = 0, poll_at) WHERE state = 'sent';

    -- Notices for accounts. An ended notice stays with its message, for the trace.
    CREATE TABLE notice (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        account TEXT NOT NULL,
        kind TEXT NOT NULL,
        about INTEGER NOT NULL,          -- a message's id, or an incoming message's
        known_as INTEGER NOT NULL,
        at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT '',
        content TEXT NOT NULL DEFAULT '',
        tries INTEGER NOT NULL DEFAULT 0,
        ended_at INTEGER NOT NULL DEFAULT 0,
        outcome TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX notice_owed ON notice (queue, due_at, id, at) WHERE ended_at = 0;
    CREATE INDEX notice_about ON notice (about, known_as);

    CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        message_id INTEGER NOT NULL,
        at INTEGER NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_message ON event (message_id);

    -- Statuses that came before the answer with the message's upstream id.
    CREATE TABLE early_status (
        id INTEGER PRIMARY KEY,
        upstream_id TEXT NOT NULL,
        word TEXT NOT NULL,
        state TEXT NOT NULL,             -- empty: not final
        at INTEGER NOT NULL,
        cost TEXT NOT NULL,
        counted_parts INTEGER NOT NULL,
        err INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE incoming (
        id INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL,
        phone TEXT NOT NULL,
        "to" TEXT NOT NULL,
        text TEXT NOT NULL,
        at INTEGER NOT NULL,
        received_at INTEGER NOT NULL
    ) STRICT;

    -- Whether receivers of an account are bound, and since when.
    CREATE TABLE receiver (
        account TEXT NOT NULL,
        node INTEGER NOT NULL,
        bound INTEGER NOT NULL,
        since INTEGER NOT NULL,
        PRIMARY KEY (account, node)
    ) STRICT, WITHOUT ROWID;
    """,
    # 3: the directory.
    """
    CREATE TABLE contact (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        first_name TEXT NOT NULL,
        last_name TEXT NOT NULL,
        middle_name TEXT NOT NULL,
        birthday TEXT NOT NULL,
        client_id TEXT NOT NULL,
        comments TEXT NOT NULL,
        tags TEXT NOT NULL,
        phone_other TEXT NOT NULL,
        search TEXT NOT NULL             -- all fields in small letters
    ) STRICT;
    CREATE INDEX contact_account ON contact (account, id);

    -- A phone belongs to one contact of an account.
    CREATE TABLE contact_phone (
        account TEXT NOT NULL,
        phone TEXT NOT NULL,
        contact_id INTEGER NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (account, phone)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX contact_phone_contact ON contact_phone (contact_id);

    CREATE TABLE contact_group (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL,          -- in small letters
        number INTEGER,
        hours TEXT NOT NULL,
        max_parts INTEGER NOT NULL,
        UNIQUE (account, name_key),
        UNIQUE (account, number)
    ) STRICT;

    CREATE TABLE contact_member (
        group_id INTEGER NOT NULL,
        contact_id INTEGER NOT NULL,
        PRIMARY KEY (group_id, contact_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX contact_member_contact ON contact_member (contact_id);

    CREATE TABLE black_list (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        phone TEXT NOT NULL,
        blocks INTEGER NOT NULL,         -- 0 all, 1 bulk, 2 single messages
        comment TEXT NOT NULL,
        UNIQUE (account, phone)
    ) STRICT;
    CREATE INDEX black_list_account ON black_list (account, id);

    -- Increased with each change of an account's black list or groups.
    CREATE TABLE directory_version (
        account TEXT NOT NULL,
        topic TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (account, topic)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE black_list_change (
        account TEXT NOT NULL,
        version INTEGER NOT NULL,
        phone TEXT NOT NULL,
        blocks INTEGER,                  -- NULL: the entry was deleted
        PRIMARY KEY (account, version)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE template (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL,
        message TEXT NOT NULL,
        format TEXT NOT NULL,
        sender TEXT NOT NULL,
        flag INTEGER NOT NULL,
        UNIQUE (account, name_key)
    ) STRICT;

    -- Messages by the id of their client, for its queries.
    CREATE INDEX message_reference ON message (account, reference) WHERE reference <> '';

    -- Calls of the directory in the last minute.
    CREATE TABLE recent_call (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        digest BLOB NOT NULL,
        at INTEGER NOT NULL,
        open INTEGER NOT NULL                -- 1 until it is answered
    ) STRICT;
    CREATE INDEX recent_call_account ON recent_call (account, at);

    -- Submissions with a name, which are stopped and followed as a whole.
    CREATE TABLE send_out (
        submission_id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        name TEXT NOT NULL,
        at INTEGER NOT NULL,
        recipients INTEGER NOT NULL,
        parts INTEGER NOT NULL,
        refused INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX send_out_account ON send_out (account, submission_id);

    -- Files that are being imported: staged line by line, committed, then merged in steps.
    CREATE TABLE import_file (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        kind TEXT NOT NULL,              -- contacts, black_list, send_out
        head TEXT NOT NULL,              -- the fields that all lines share
        committed INTEGER NOT NULL,
        touched_at INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE import_line (
        import_id INTEGER NOT NULL,
        line INTEGER NOT NULL,
        fields TEXT NOT NULL,            -- a JSON array
        PRIMARY KEY (import_id, line)
    ) STRICT, WITHOUT ROWID;
    """,
    # 4: refusals, kept for a while.
    """
    CREATE TABLE refusal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        protocol TEXT NOT NULL,
        account TEXT NOT NULL,
        peer TEXT NOT NULL,
        phone TEXT NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    CREATE INDEX refusal_at ON refusal (at);
    """,
    # 5: how many messages were accepted today, of accounts with a limit.
    """
    CREATE TABLE daily_count (
        account TEXT PRIMARY KEY,
        day INTEGER NOT NULL,            -- days since 1970, UTC
        accepted INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # 6: the client's id of a send-out.
    """
    ALTER TABLE send_out ADD COLUMN reference TEXT NOT NULL DEFAULT '';
    """,
)

#: Ends the transaction of a migration.
MIGRATED = """
    INSERT INTO migration (version, at)
        SELECT user_version, CAST(strftime('%s') AS INTEGER) FROM pragma_user_version;
    COMMIT;
"""
