-- +goose Up

-- As 0006_search.sql. A tombstone keeps a row without words, so that one who
-- indexes what the message was cannot bring it back.
CREATE TABLE derived_chat_search (
    pos   BIGINT PRIMARY KEY,
    words TSVECTOR NOT NULL
);
CREATE INDEX derived_chat_search_words ON derived_chat_search USING gin (words);

-- How far the index goes, and which edition of platform/terms made it. One
-- that is of no edition is begun from the first message.
CREATE TABLE derived_chat_searched (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    pos     BIGINT NOT NULL,
    edition TEXT NOT NULL
);
INSERT INTO derived_chat_searched (id, pos, edition) VALUES (1, 0, '');
