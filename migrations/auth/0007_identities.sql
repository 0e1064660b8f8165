-- +goose Up

-- What accounts are known by at other providers. An identity is (issuer,
-- subject); provider is the name that it came by, email what the provider said.
CREATE TABLE auth_identities (
    id           BYTEA  NOT NULL PRIMARY KEY,
    user_id      BYTEA  NOT NULL REFERENCES auth_accounts (id),
    issuer       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    provider     TEXT   NOT NULL,
    email        TEXT   NOT NULL,
    linked_at    BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    CONSTRAINT auth_identities_subject_key UNIQUE (issuer, subject)
);

CREATE INDEX auth_identities_user ON auth_identities (user_id);

-- Codes that hand a browser's sign-in over to its client: hashes of the code
-- and of the state that it came by. A spent one has no content and stays until
-- purge_at, so that neither comes a second time.
CREATE TABLE auth_sign_in_codes (
    hash       BYTEA  NOT NULL PRIMARY KEY,
    state      BYTEA  NOT NULL CONSTRAINT auth_sign_in_codes_state_key UNIQUE,
    sealed     BYTEA,
    made_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    purge_at   BIGINT NOT NULL
);

CREATE INDEX auth_sign_in_codes_purge ON auth_sign_in_codes (purge_at);
