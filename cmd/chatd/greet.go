package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"chatd/internal/platform/sqldb"
)

// greet tells an operator at a terminal what listens, where the data is and
// what to try next; elsewhere it is one line of the log. In production the
// way to the first administrator is told too.
func (a *app) greet(ctx context.Context) error {
	main := a.servers[0].Addr().String()
	kept := a.stores.dir.Path
	if a.stores.db.Engine() == sqldb.PostgreSQL {
		kept = a.cfg.Data.PostgresURL.String()
	}
	setup := ""
	if a.cfg.Production() {
		token, err := a.contexts.auth.SetupToken(ctx)
		if err != nil {
			return fmt.Errorf("setup token: %w", err)
		}
		setup = token
	}
	if !terminal(a.out) {
		a.log.Info().Str("listen", main).Str("data", kept).Str("version", buildVersion()).Msg("ready")
		if setup != "" {
			_, err := fmt.Fprintln(a.out, "setup token: "+setup)
			return err
		}
		return nil
	}
	var b strings.Builder
	base := "http://" + main
	fmt.Fprintf(&b, "\nchatd %s is ready.\n\n", buildVersion())
	fmt.Fprintf(&b, "  GraphQL    %s/graphql   (WebSocket: ws://%s/graphql)\n", base, main)
	for _, s := range a.servers[1:] {
		fmt.Fprintf(&b, "  also on    http://%s\n", s.Addr())
	}
	fmt.Fprintf(&b, "  data       %s\n\n", kept)
	fmt.Fprintf(&b, "Try next:\n  %s/graphiql   explore the API in a browser\n  chatd bench fanout     put load on it\n", base)
	switch {
	case setup != "":
		fmt.Fprintf(&b, "\nThe first administrator registers with this setup token: %s\n", setup)
	case !a.cfg.Production():
		b.WriteString("\nThe first account of an empty server becomes its administrator.\n")
	}
	_, err := fmt.Fprintln(a.out, b.String())
	return err
}

func terminal(out any) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// schemaVersion names a schema by its text, so that clients notice a change.
func schemaVersion(sdl string) string {
	sum := sha256.Sum256([]byte(sdl))
	return hex.EncodeToString(sum[:6])
}
