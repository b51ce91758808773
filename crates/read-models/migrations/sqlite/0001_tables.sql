-- The tables that queries and analysts read. All of them can be deleted: they are built anew from the log.
--
-- Ids: a UUID stands as text in one place, the row it names; every other row refers to that row by its integer key. So people
-- read plain ids and names, joins and indexes stay small, and a hundred thousand rows a second can be written.
-- Times are RFC 3339 text in UTC with milliseconds, which SQLite's date functions read and which sorts by time.

CREATE TABLE battles (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    -- People type the code, so it is compared without case. An old battle may have had the same one.
    join_code TEXT NOT NULL COLLATE NOCASE,
    title TEXT NOT NULL,
    rules TEXT NOT NULL, -- JSON
    questions INTEGER NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('created', 'running', 'finished', 'cancelled')),
    starts_at TIMESTAMP,
    ends_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    created_position INTEGER NOT NULL UNIQUE,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    participants INTEGER NOT NULL DEFAULT 0, -- joined and not removed
    position INTEGER NOT NULL -- of the battle's last event that was applied
);
CREATE INDEX idx_battles_join_code ON battles (join_code, created_position DESC);
CREATE INDEX idx_battles_phase ON battles (phase, created_position DESC);

CREATE TABLE questions (
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('choice', 'text', 'number', 'external')),
    prompt TEXT NOT NULL,
    choices TEXT NOT NULL, -- JSON, an array of texts
    reward_points INTEGER NOT NULL,
    reward_shields INTEGER NOT NULL,
    reward_arrows INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    opens_after_ms INTEGER NOT NULL,
    answering_time_ms INTEGER NOT NULL,
    PRIMARY KEY (battle_id, number)
) WITHOUT ROWID;

CREATE TABLE battle_participants (
    id INTEGER PRIMARY KEY,
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    username VARCHAR(50) NOT NULL,
    session_id VARCHAR(100),
    points INTEGER DEFAULT 0,
    shields INTEGER DEFAULT 0,
    arrows INTEGER DEFAULT 0,
    is_active BOOLEAN DEFAULT TRUE,
    last_activity_at TIMESTAMP,
    created_at TIMESTAMP,
    updated_at TIMESTAMP,
    participant_id TEXT NOT NULL UNIQUE, -- a UUID
    reached_revision INTEGER NOT NULL, -- of equal points, the smaller one ranks first
    removed BOOLEAN NOT NULL DEFAULT FALSE, -- off the board for good
    CONSTRAINT unique_battle_username UNIQUE (battle_id, username)
);
CREATE INDEX idx_participants_leaderboard ON battle_participants (battle_id, points DESC);
CREATE INDEX idx_participants_session ON battle_participants (battle_id, session_id) WHERE is_active = TRUE;
CREATE INDEX idx_participants_active ON battle_participants (battle_id, is_active, last_activity_at);

CREATE TABLE answers (
    position INTEGER PRIMARY KEY, -- in the log
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    participant_id INTEGER NOT NULL REFERENCES battle_participants (id),
    question INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('correct', 'wrong', 'pending')),
    points INTEGER NOT NULL,
    shields INTEGER NOT NULL,
    arrows INTEGER NOT NULL,
    answer TEXT, -- only of questions that an external judge decides
    submitted_at TIMESTAMP NOT NULL,
    judged_at TIMESTAMP,
    CONSTRAINT unique_attempt UNIQUE (participant_id, question, attempt)
);

CREATE TABLE attacks (
    position INTEGER PRIMARY KEY, -- in the log
    event_id TEXT NOT NULL, -- a UUID
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    attacker_id INTEGER NOT NULL REFERENCES battle_participants (id),
    target_id INTEGER NOT NULL REFERENCES battle_participants (id),
    blocked BOOLEAN NOT NULL,
    points_deducted INTEGER NOT NULL,
    attacked_at TIMESTAMP NOT NULL
);
-- The primary key is part of every index, so this one finds the attacks on somebody after a position.
CREATE INDEX idx_attacks_target ON attacks (target_id);

CREATE TABLE parked_events (
    position INTEGER PRIMARY KEY, -- in the log
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event_id TEXT NOT NULL, -- a UUID
    event_type TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TIMESTAMP NOT NULL
);

CREATE TABLE projection_checkpoints (
    name TEXT PRIMARY KEY, -- 'tables' or 'changes'
    position INTEGER NOT NULL
) WITHOUT ROWID;
