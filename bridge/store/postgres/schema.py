"""The PostgreSQL schema, one migration per version.

``MIGRATIONS[n]`` brings a database from version n to n + 1; the table ``migration`` has the time of
each. A released migration never changes. Nodes of an earlier version go on working during an
upgrade: migrations only add columns with defaults, and tables.
"""

from __future__ import annotations

import time

from bridge.store.errors import SchemaTooNew
from bridge.store.postgres.connection import PgConnection
from bridge.store.unjoined import LAST_PART

#: The advisory lock for changing the schema and for taking a node number.
LOCK = 0x63617363616465

MIGRATIONS: tuple[str, ...] = (
    # 1: messages, the ids that lead to them, attempts, parts, holds, fingerprints, nodes.
    """
    CREATE TABLE migration (
        version integer PRIMARY KEY,
        at bigint NOT NULL
    );

    -- The living nodes with their leases. A writing transaction locks the row of its node.
    CREATE TABLE node (
        number smallint PRIMARY KEY,
        holder uuid NOT NULL,            -- the process
        epoch integer NOT NULL,          -- number of its writing connection
        lease_until timestamptz NOT NULL -- by the clock of the database
    );

    CREATE TABLE message (
        id bigint PRIMARY KEY,
        submission_id bigint NOT NULL,
        account text COLLATE "C" NOT NULL,
        protocol text COLLATE "C" NOT NULL,
        peer text COLLATE "C" NOT NULL,
        phone text COLLATE "C" NOT NULL,
        sender text COLLATE "C" NOT NULL,
        message_type text COLLATE "C" NOT NULL,
        text text COLLATE "C" NOT NULL,
        options text COLLATE "C" NOT NULL,       -- a JSON array, or empty
        fallback text COLLATE "C" NOT NULL,
        route text COLLATE "C" NOT NULL,
        level smallint NOT NULL,
        parts integer NOT NULL,
        accepted_at bigint NOT NULL,
        due_at bigint NOT NULL,
        scheduled_at bigint,
        expires_at bigint NOT NULL,
        receipts smallint NOT NULL,
        reference text COLLATE "C" NOT NULL,
        attempts integer NOT NULL,
        unknown integer NOT NULL,
        state text COLLATE "C" NOT NULL DEFAULT 'accepted',
        owner smallint NOT NULL DEFAULT -1,      -- the node that has it in memory
        upstream_id text COLLATE "C" NOT NULL DEFAULT '',
        changed_at bigint NOT NULL DEFAULT 0,
        failure text COLLATE "C" NOT NULL DEFAULT '',
        cause text COLLATE "C" NOT NULL DEFAULT ''
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

    -- Waiting messages by node, lane and due time. A message in a node's memory is only in this
    -- index; the indexes of idle messages stay as small as their number.
    CREATE INDEX message_waiting ON message (owner, account, level, route, due_at, id)
        WHERE state = 'accepted';
    -- The condition on the owner is written so that it does not match the first index: a query can
    -- use only one of them, whatever sizes the planner expects.
    CREATE INDEX message_idle_expiry ON message (expires_at)
        WHERE state IN ('accepted', 'held') AND owner + 0 < 0;
    CREATE INDEX message_idle_phone ON message (phone)
        WHERE state IN ('accepted', 'held') AND owner + 0 < 0;
    CREATE INDEX message_submission ON message (submission_id)
        WHERE submission_id <> id;

    -- A submission of several messages has an id of its own.
    CREATE TABLE submission (
        id bigint PRIMARY KEY,
        account text COLLATE "C" NOT NULL,
        messages integer NOT NULL
    );

    -- Other ids of a message: of its parts, and the short ones of SMPP 3.3.
    CREATE TABLE alias (
        id bigint PRIMARY KEY,
        message_id bigint NOT NULL,
        receipts smallint NOT NULL
    );
    CREATE INDEX alias_message ON alias (message_id);

    -- One row for each request that was begun: the messages in flight if its node dies.
    CREATE TABLE attempt (
        id bigint PRIMARY KEY,
        node smallint NOT NULL,
        begun_at bigint NOT NULL,
        message_ids bigint[] NOT NULL
    );

    -- Concatenated messages, whose parts come one by one. A joined group keeps its parts for a
    -- while, so that repeated parts are recognised.
    CREATE TABLE part_group (
        id bigint PRIMARY KEY,           -- the id of its first part
        turn bigint GENERATED ALWAYS AS IDENTITY,
        account text COLLATE "C" NOT NULL,
        source text COLLATE "C" NOT NULL,
        destination text COLLATE "C" NOT NULL,
        reference integer NOT NULL,
        total integer NOT NULL,
        begun_at bigint NOT NULL,
        message_id bigint NOT NULL DEFAULT 0
    );
    CREATE INDEX part_group_key ON part_group
        (account, source, destination, reference, total, turn);
    CREATE INDEX part_group_begun ON part_group (begun_at);
    CREATE TABLE part (
        id bigint PRIMARY KEY,
        group_id bigint NOT NULL REFERENCES part_group (id) ON DELETE CASCADE,
        number integer NOT NULL,
        content bytea NOT NULL,
        receipts smallint NOT NULL,
        at bigint NOT NULL,
        UNIQUE (group_id, number)
    );

    -- Accounts and upstreams that are held as a whole.
    CREATE TABLE hold (
        scope text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        PRIMARY KEY (scope, name)
    );

    CREATE TABLE fingerprint (
        key bytea PRIMARY KEY,
        message_id bigint NOT NULL,
        until bigint NOT NULL
    );
    CREATE INDEX fingerprint_until ON fingerprint (until);

    -- The greatest deleted id: new ids are greater.
    CREATE TABLE swept (
        last_id bigint NOT NULL
    );
    INSERT INTO swept VALUES (0);
    """,
    # 2: statuses, notices, messages from phones, and the story of a message.
    """
    ALTER TABLE message
        ADD COLUMN envelope text COLLATE "C" NOT NULL DEFAULT '',   -- JSON, or empty
        ADD COLUMN sent_at bigint NOT NULL DEFAULT 0,
        ADD COLUMN status text COLLATE "C" NOT NULL DEFAULT '',
        ADD COLUMN status_at bigint NOT NULL DEFAULT 0,
        ADD COLUMN cost text COLLATE "C" NOT NULL DEFAULT '',
        ADD COLUMN counted_parts integer NOT NULL DEFAULT 0,
        ADD COLUMN err integer NOT NULL DEFAULT 0,
        ADD COLUMN poll_at bigint NOT NULL DEFAULT 0;
    -- Only messages under way: an index of all messages would make each a fifth more expensive.
    -- The conditions of the two exclude each other for the planner, as above.
    CREATE INDEX message_upstream ON message (upstream_id)
        WHERE state = 'sent' AND upstream_id <> '';
    -- Messages with requested notices come first.
    CREATE INDEX message_poll ON message ((receipts = 0), poll_at, id)
        WHERE state = 'sent' AND poll_at >= 0;

    -- Notices for accounts. An ended notice stays with its message, for the trace.
    CREATE TABLE notice (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        queue text COLLATE "C" NOT NULL,
        account text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL,
        about bigint NOT NULL,           -- a message's id, or an incoming message's
        known_as bigint NOT NULL,
        at bigint NOT NULL,
        due_at bigint NOT NULL,
        state text COLLATE "C" NOT NULL DEFAULT '',
        content text COLLATE "C" NOT NULL DEFAULT '',
        tries integer NOT NULL DEFAULT 0,
        ended_at bigint NOT NULL DEFAULT 0,
        outcome text COLLATE "C" NOT NULL DEFAULT '',
        owner smallint NOT NULL DEFAULT -1       -- the node that is telling it
    ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
    CREATE INDEX notice_owed ON notice (owner, queue, due_at, id, at) WHERE ended_at = 0;
    CREATE INDEX notice_about ON notice (about, known_as);

    CREATE TABLE event (
        message_id bigint NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,  -- the order of insertion
        at bigint NOT NULL,
        what text COLLATE "C" NOT NULL,
        detail text COLLATE "C" NOT NULL,
        PRIMARY KEY (message_id, id)
    );

    -- Statuses that came before the answer with the message's upstream id.
    CREATE TABLE early_status (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        upstream_id text COLLATE "C" NOT NULL,
        word text COLLATE "C" NOT NULL,
        state text COLLATE "C" NOT NULL,         -- empty: not final
        at bigint NOT NULL,
        cost text COLLATE "C" NOT NULL,
        counted_parts integer NOT NULL,
        err integer NOT NULL
    );

    CREATE TABLE incoming (
        id bigint PRIMARY KEY,
        uid text COLLATE "C" NOT NULL UNIQUE,
        account text COLLATE "C" NOT NULL,
        phone text COLLATE "C" NOT NULL,
        "to" text COLLATE "C" NOT NULL,
        text text COLLATE "C" NOT NULL,
        at bigint NOT NULL,
        received_at bigint NOT NULL
    );

    -- Whether receivers of an account are bound to a node, and since when.
    CREATE TABLE receiver (
        account text COLLATE "C" NOT NULL,
        node smallint NOT NULL,
        bound boolean NOT NULL,
        since bigint NOT NULL,
        PRIMARY KEY (account, node)
    );
    """,
    # 3: the directory.
    """
    CREATE TABLE contact (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        name text NOT NULL,
        first_name text NOT NULL,
        last_name text NOT NULL,
        middle_name text NOT NULL,
        birthday text NOT NULL,
        client_id text NOT NULL,
        comments text NOT NULL,
        tags text NOT NULL,
        phone_other text NOT NULL,
        search text NOT NULL             -- all fields in small letters
    );
    CREATE INDEX contact_account ON contact (account, id);

    -- A phone belongs to one contact of an account.
    CREATE TABLE contact_phone (
        account text NOT NULL,
        phone text NOT NULL,
        contact_id bigint NOT NULL,
        place smallint NOT NULL,
        PRIMARY KEY (account, phone)
    );
    CREATE INDEX contact_phone_contact ON contact_phone (contact_id);

    CREATE TABLE contact_group (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        name text NOT NULL,
        name_key text NOT NULL,          -- in small letters
        number bigint,
        hours text NOT NULL,
        max_parts integer NOT NULL,
        UNIQUE (account, name_key),
        UNIQUE (account, number)
    );

    CREATE TABLE contact_member (
        group_id bigint NOT NULL,
        contact_id bigint NOT NULL,
        PRIMARY KEY (group_id, contact_id)
    );
    CREATE INDEX contact_member_contact ON contact_member (contact_id);

    CREATE TABLE black_list (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        phone text NOT NULL,
        blocks smallint NOT NULL,         -- 0 all, 1 bulk, 2 single messages
        comment text NOT NULL,
        UNIQUE (account, phone)
    );
    CREATE INDEX black_list_account ON black_list (account, id);

    -- Increased with each change of an account's black list or groups.
    CREATE TABLE directory_version (
        account text NOT NULL,
        topic text NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (account, topic)
    );

    CREATE TABLE black_list_change (
        account text NOT NULL,
        version bigint NOT NULL,
        phone text NOT NULL,
        blocks smallint,                  -- NULL: the entry was deleted
        PRIMARY KEY (account, version)
    );

    CREATE TABLE template (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        name text NOT NULL,
        name_key text NOT NULL,
        message text NOT NULL,
        format text NOT NULL,
        sender text NOT NULL,
        flag smallint NOT NULL,
        UNIQUE (account, name_key)
    );

    -- Messages by the id of their client, for its queries.
    CREATE INDEX message_reference ON message (account, reference) WHERE reference <> '';

    -- Calls of the directory in the last minute.
    CREATE TABLE recent_call (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        digest bytea NOT NULL,
        at bigint NOT NULL,
        open bigint NOT NULL                -- 1 until it is answered
    );
    CREATE INDEX recent_call_account ON recent_call (account, at);

    -- Submissions with a name, which are stopped and followed as a whole.
    CREATE TABLE send_out (
        submission_id bigint PRIMARY KEY,
        account text NOT NULL,
        name text NOT NULL,
        at bigint NOT NULL,
        recipients bigint NOT NULL,
        parts bigint NOT NULL,
        refused bigint NOT NULL
    );
    CREATE INDEX send_out_account ON send_out (account, submission_id);

    -- Files that are being imported: staged line by line, committed, then merged in steps.
    CREATE TABLE import_file (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text NOT NULL,
        kind text NOT NULL,              -- contacts, black_list, send_out
        head text NOT NULL,              -- the fields that all lines share
        committed bigint NOT NULL,
        touched_at bigint NOT NULL
    );

    CREATE TABLE import_line (
        import_id bigint NOT NULL,
        line bigint NOT NULL,
        fields text NOT NULL,            -- a JSON array
        PRIMARY KEY (import_id, line)
    );
    """,
    # 4: refusals, kept for a while.
    """
    CREATE TABLE refusal (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at bigint NOT NULL,
        kind text NOT NULL,
        protocol text NOT NULL,
        account text NOT NULL,
        peer text NOT NULL,
        phone text NOT NULL,
        reason text NOT NULL
    );
    CREATE INDEX refusal_at ON refusal (at);
    """,
    # 5: how many messages were accepted today, of accounts with a limit.
    """
    CREATE TABLE daily_count (
        account text COLLATE "C" PRIMARY KEY,
        day bigint NOT NULL,              -- days since 1970, UTC
        accepted bigint NOT NULL
    );
    """,
    # 6: the client's id of a send-out.
    """
    ALTER TABLE send_out ADD COLUMN reference text COLLATE "C" NOT NULL DEFAULT '';
    """,
)

#: Time limit of a migration (seconds): in a large database it may build indexes.
_STEP_WITHIN = 3600.0

#: Every table with ids of the nodes' sequences.
_IDS = ("message", "submission", "alias", "attempt", "part", "incoming")
_GREATEST = ", ".join(f"(SELECT max(id) FROM {table})" for table in _IDS)  # noqa: S608

LAST_ID = f"SELECT greatest({_GREATEST}, (SELECT last_id FROM swept), ({LAST_PART}))"  # noqa: S608


async def version_of(connection: PgConnection) -> int:
    """The schema's version, 0 if there is none.

    Raises :class:`bridge.store.errors.SchemaTooNew`.
    """
    version = 0
    if await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL"):
        version = await connection.fetchval("SELECT coalesce(max(version), 0) FROM migration")
    if version > len(MIGRATIONS):
        raise SchemaTooNew(
            f"a later version wrote the database: it has schema version {version}; "
            f"this program knows versions up to {len(MIGRATIONS)}"
        )
    return version


async def migrate(connection: PgConnection) -> None:
    """Runs the missing migrations within the caller's transaction, which holds the lock.

    Raises :class:`bridge.store.errors.SchemaTooNew`.
    """
    for step in range(await version_of(connection), len(MIGRATIONS)):
        await connection.execute(MIGRATIONS[step], timeout=_STEP_WITHIN)
        await connection.execute(
            "INSERT INTO migration (version, at) VALUES ($1, $2)", step + 1, int(time.time())
        )
