-- +goose Up

-- Second factors. The secret is sealed; until confirmed_at it waits for its
-- first code. step is that of the last code which was taken (RFC 6238).
CREATE TABLE auth_totp (
    user_id      BYTEA  NOT NULL PRIMARY KEY REFERENCES auth_accounts (id),
    sealed       BYTEA  NOT NULL,
    begun_at     BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    step         BIGINT NOT NULL
);

-- Keyed hashes of the recovery codes that are left.
CREATE TABLE auth_recovery_codes (
    user_id BYTEA NOT NULL REFERENCES auth_accounts (id),
    hash    BYTEA NOT NULL,
    PRIMARY KEY (user_id, hash)
);

-- Personal tokens: keyed hashes of their texts. One that ended is gone; why is
-- in auth_changes. expires_at 0: never.
CREATE TABLE auth_tokens (
    id           BYTEA  NOT NULL PRIMARY KEY,
    user_id      BYTEA  NOT NULL REFERENCES auth_accounts (id),
    made_by      BYTEA  NOT NULL REFERENCES auth_accounts (id),
    name         TEXT   NOT NULL,
    scopes       BIGINT NOT NULL,
    hash         BYTEA  NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

CREATE INDEX auth_tokens_user ON auth_tokens (user_id);
CREATE INDEX auth_tokens_maker ON auth_tokens (made_by);
CREATE INDEX auth_tokens_expiry ON auth_tokens (expires_at) WHERE expires_at > 0;

-- Accounts that are programs, and the administrators who made them.
CREATE TABLE auth_bots (
    user_id  BYTEA NOT NULL PRIMARY KEY REFERENCES auth_accounts (id),
    owner_id BYTEA NOT NULL REFERENCES auth_accounts (id)
);
