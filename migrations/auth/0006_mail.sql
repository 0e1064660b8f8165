-- +goose Up

-- When it was shown that mail to the account's address arrives; 0: not yet.
ALTER TABLE auth_accounts ADD COLUMN email_verified_at BIGINT NOT NULL DEFAULT 0;

-- Mail that was promised and is not delivered yet. subject_id is the account,
-- or the registration, that it is about. The address is sealed; there is no
-- token in it. due_at is when it is tried next, and who tries it moves that on.
CREATE TABLE auth_mail (
    id         BYTEA  NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    subject_id BYTEA,
    sealed     BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    tries      BIGINT NOT NULL
);

CREATE INDEX auth_mail_due ON auth_mail (due_at);
CREATE INDEX auth_mail_subject ON auth_mail (subject_id);

-- What a link in a mail is good for: the newest of each kind and subject.
CREATE TABLE auth_links (
    kind       TEXT   NOT NULL,
    subject_id BYTEA  NOT NULL,
    hash       BYTEA  NOT NULL CONSTRAINT auth_links_hash_key UNIQUE,
    sealed     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (kind, subject_id)
);

CREATE INDEX auth_links_subject ON auth_links (subject_id);
CREATE INDEX auth_links_expiry ON auth_links (expires_at);

-- Registrations whose address waits for its proof, sealed: there is no account
-- before.
CREATE TABLE auth_pending (
    id         BYTEA  NOT NULL PRIMARY KEY,
    sealed     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX auth_pending_expiry ON auth_pending (expires_at);
