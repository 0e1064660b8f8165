package chatsql_test

import (
	"testing"

	"chatd/internal/chat"
	"chatd/internal/chat/chattest"
	"chatd/internal/platform/sqldb"
	"chatd/internal/platform/sqldb/sqldbtest"
)

func setupNodes(t *testing.T, n int) *chattest.Nodes {
	t.Helper()
	url := sqldbtest.PostgresURL(t)
	var stores []chat.Store
	for range n {
		stores = append(stores, setup(t, sqldbtest.Open(t, sqldb.Config{URL: url, MaxConns: 4})))
	}
	return chattest.NewNodes(stores...)
}

func TestNodes(t *testing.T) {
	t.Parallel()
	chattest.RunNodes(t, setupNodes)
}

func TestReactionsOnSeveralNodesAreAllCounted(t *testing.T) {
	t.Parallel()
	ns := setupNodes(t, 2)
	chattest.ReactOnNodes(t, 100, ns.All...)
	ns.Order(t)
}
