-- +goose Up

-- The index of the search: a row for each message with words that is no
-- tombstone, its rowid the message's pos, its text the terms that
-- platform/terms makes of the message's text, and its conversation's. It keeps
-- no text besides, and no more of a term than which rows have it. What
-- is deleted is cut out at once, not when segments are merged.
--
-- derived_: made out of the other tables, and made anew where it is not there.
CREATE VIRTUAL TABLE derived_chat_search
    USING fts5(words, content = '', detail = 'none', columnsize = 0, tokenize = 'ascii');
INSERT INTO derived_chat_search (derived_chat_search, rank) VALUES ('secure-delete', 1);

-- How far the index goes, and which edition of platform/terms made it. One
-- that is of no edition is begun from the first message.
CREATE TABLE derived_chat_searched (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    pos     INTEGER NOT NULL,
    edition TEXT NOT NULL
) STRICT;
INSERT INTO derived_chat_searched (id, pos, edition) VALUES (1, 0, '');
