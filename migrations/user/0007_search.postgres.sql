-- +goose Up

-- As 0007_search.sql.
CREATE TABLE derived_user_entries (
    word     TEXT COLLATE "C" NOT NULL,
    username TEXT COLLATE "C" NOT NULL,
    names    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (word, username)
);

CREATE TABLE derived_user_words (
    size     BIGINT NOT NULL,
    word     TEXT COLLATE "C" NOT NULL,
    reversed TEXT COLLATE "C" NOT NULL,
    spelling TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (size, word)
);
CREATE INDEX derived_user_words_by_end ON derived_user_words (size, reversed);

-- pg_trgm may be in any schema; where it is not there yet, it is made in public,
-- or else beside the tables. A list of what is pending would have to be read
-- through by every search.
-- +goose StatementBegin
DO $$
DECLARE
    place TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('chatd pg_trgm', 0)); -- there is one in all schemas
    SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
    IF place IS NULL THEN
        SELECT coalesce((SELECT nspname FROM pg_namespace WHERE nspname = 'public'), current_schema()) INTO place;
        EXECUTE format('CREATE EXTENSION pg_trgm WITH SCHEMA %I', place);
    END IF;
    EXECUTE format('CREATE INDEX derived_user_words_within ON derived_user_words USING gin (spelling %I.gin_trgm_ops) WITH (fastupdate = off)', place);
END
$$;
-- +goose StatementEnd

CREATE TABLE derived_user_indexed (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    last    BYTEA  NOT NULL,
    edition TEXT   NOT NULL,
    done    BIGINT NOT NULL
);
INSERT INTO derived_user_indexed (id, last, edition, done) VALUES (1, '', '', 0);

DROP TABLE user_terms;
