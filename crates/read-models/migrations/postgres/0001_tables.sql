-- The tables that queries and analysts read. All of them can be deleted: they are built anew from the log.
--
-- Ids: a UUID stands in one place, the row it names; every other row refers to that row by its integer key, so that joins and
-- indexes stay small and a hundred thousand rows a second can be written. The projection gives the keys out in the order of the
-- log. It looks up every key that it writes; answers and attacks, of which there are most, are not checked a second time here.

CREATE TABLE battles (
    id INTEGER PRIMARY KEY,
    uuid UUID NOT NULL UNIQUE,
    join_code TEXT NOT NULL,
    title TEXT NOT NULL,
    rules JSONB NOT NULL,
    questions INTEGER NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('created', 'running', 'finished', 'cancelled')),
    starts_at TIMESTAMPTZ,
    ends_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    created_position BIGINT NOT NULL UNIQUE,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    participants INTEGER NOT NULL DEFAULT 0, -- joined and not removed
    position BIGINT NOT NULL -- of the battle's last event that was applied
) WITH (fillfactor = 70); -- positions move with every batch, and then find room beside the row
-- People type the code, so it is compared without case. An old battle may have had the same one.
CREATE INDEX idx_battles_join_code ON battles (lower(join_code), created_position DESC);
CREATE INDEX idx_battles_phase ON battles (phase, created_position DESC);

CREATE TABLE questions (
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    number BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('choice', 'text', 'number', 'external')),
    prompt TEXT NOT NULL,
    choices JSONB NOT NULL, -- an array of texts
    reward_points INTEGER NOT NULL,
    reward_shields INTEGER NOT NULL,
    reward_arrows INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    opens_after_ms BIGINT NOT NULL,
    answering_time_ms BIGINT NOT NULL,
    PRIMARY KEY (battle_id, number)
);

CREATE TABLE battle_participants (
    id BIGSERIAL PRIMARY KEY,
    battle_id INTEGER NOT NULL REFERENCES battles (id),
    username VARCHAR(50) NOT NULL,
    session_id VARCHAR(100),
    points INTEGER DEFAULT 0,
    shields INTEGER DEFAULT 0,
    arrows INTEGER DEFAULT 0,
    is_active BOOLEAN DEFAULT TRUE,
    last_activity_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ,
    participant_id UUID NOT NULL UNIQUE,
    reached_revision BIGINT NOT NULL, -- of equal points, the smaller one ranks first
    removed BOOLEAN NOT NULL DEFAULT FALSE, -- off the board for good
    has_left BOOLEAN NOT NULL DEFAULT FALSE, -- for good; still on the board
    CONSTRAINT unique_battle_username UNIQUE (battle_id, username)
);
CREATE INDEX idx_participants_leaderboard ON battle_participants (battle_id, points DESC);
CREATE INDEX idx_participants_session ON battle_participants (battle_id, session_id) WHERE is_active = TRUE;
CREATE INDEX idx_participants_active ON battle_participants (battle_id, is_active, last_activity_at);

CREATE TABLE answers (
    position BIGINT PRIMARY KEY, -- in the log
    battle_id INTEGER NOT NULL, -- of battles
    participant_id BIGINT NOT NULL, -- of battle_participants
    question BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('correct', 'wrong', 'pending')),
    points INTEGER NOT NULL,
    shields INTEGER NOT NULL,
    arrows INTEGER NOT NULL,
    answer TEXT, -- only of questions that an external judge decides
    submitted_at TIMESTAMPTZ NOT NULL,
    judged_at TIMESTAMPTZ,
    CONSTRAINT unique_attempt UNIQUE (participant_id, question, attempt)
);

CREATE TABLE attacks (
    position BIGINT PRIMARY KEY, -- in the log
    event_id UUID NOT NULL,
    battle_id INTEGER NOT NULL, -- of battles
    attacker_id BIGINT NOT NULL, -- of battle_participants
    target_id BIGINT NOT NULL, -- of battle_participants
    blocked BOOLEAN NOT NULL,
    points_deducted INTEGER NOT NULL,
    attacked_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX idx_attacks_target ON attacks (target_id, position);

CREATE TABLE parked_events (
    position BIGINT PRIMARY KEY, -- in the log
    stream TEXT NOT NULL,
    revision BIGINT NOT NULL,
    event_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL
);

-- Both rows are there from the beginning, because who writes a batch locks the first one before anything else.
CREATE TABLE projection_checkpoints (
    name TEXT PRIMARY KEY, -- 'tables' or 'changes'
    position BIGINT -- NULL until something is saved
) WITH (fillfactor = 10);
INSERT INTO projection_checkpoints (name) VALUES ('tables'), ('changes');
