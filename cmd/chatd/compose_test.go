package main

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose.yaml cannot be run where there is no Docker. So it is read as Docker
// Compose reads it, by the library that Compose is built on, and held against
// what chatd is.

const root = "../.."

// composeSecrets are what compose.yaml wants made; each is another word.
func composeSecrets() map[string]string {
	secrets := map[string]string{}
	for i, name := range []string{
		"CHATD_SECRET", "POSTGRES_PASSWORD", "MONGO_PASSWORD", "MONGO_ROOT_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD",
	} {
		secrets[name] = fmt.Sprintf("%c0f1e2d3c4b5a69788796a5b4c3d2e1f", 'a'+i)
	}
	return secrets
}

// sets are the services of each profile.
var sets = map[string][]string{
	"small": {"chatd", "postgres"},
	"whole": {
		"balancer", "chatd-1", "chatd-2", "chatd-3", "grafana", "kafka", "loki", "mongo", "postgres-nodes", "prometheus", "redis",
	},
}

func loadCompose(t *testing.T, env map[string]string, profiles ...string) (*types.Project, error) {
	t.Helper()
	var vars []string
	for name, value := range env {
		vars = append(vars, name+"="+value)
	}
	o, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yaml")},
		cli.WithWorkingDirectory(root), cli.WithEnv(vars), cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(t.Context())
}

// eachSet runs fn on the services of each profile, and of both.
func eachSet(t *testing.T, fn func(t *testing.T, p *types.Project)) {
	t.Helper()
	for _, profiles := range [][]string{{"small"}, {"whole"}, {"small", "whole"}} {
		t.Run(strings.Join(profiles, "+"), func(t *testing.T) {
			t.Parallel()
			p, err := loadCompose(t, composeSecrets(), profiles...)
			if err != nil {
				t.Fatal(err)
			}
			fn(t, p)
		})
	}
}

func TestComposeHasItsTwoSets(t *testing.T) {
	t.Parallel()
	eachSet(t, func(t *testing.T, p *types.Project) {
		var want []string
		for _, profile := range p.Profiles {
			want = append(want, sets[profile]...)
		}
		slices.Sort(want)
		if got := p.ServiceNames(); !slices.Equal(got, want) {
			t.Errorf("services %v", got)
		}
	})
	none, err := loadCompose(t, composeSecrets())
	if err != nil || len(none.Services) != 0 {
		t.Errorf("without a profile: %v, %v", none.ServiceNames(), err)
	}
}

func TestComposeHasNoSecretOfItsOwn(t *testing.T) {
	t.Parallel()
	for missing := range composeSecrets() {
		env := composeSecrets()
		delete(env, missing)
		_, err := loadCompose(t, env, "whole")
		if err == nil || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "openssl rand -hex 32") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range composeSecrets() {
		if !bytes.Contains(text, []byte(name+" ")) && !bytes.Contains(text, []byte(name+";")) {
			t.Errorf("the command at its top does not make %s", name)
		}
	}
	secretive := regexp.MustCompile(`SECRET|PASSWORD|AUTH$|TOKEN`)
	made := slices.Collect(maps.Values(composeSecrets()))
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range p.Services {
			for key, value := range s.Environment {
				if secretive.MatchString(key) && !slices.Contains(made, *value) {
					t.Errorf("%s: %s is none of the secrets that are made", name, key)
				}
				if u, err := url.Parse(*value); err == nil && u.User != nil {
					if password, _ := u.User.Password(); !slices.Contains(made, password) {
						t.Errorf("%s: the password of %s is none of the secrets that are made", name, key)
					}
				}
			}
		}
	})
}

func TestComposePinsEveryImage(t *testing.T) {
	t.Parallel()
	exact := regexp.MustCompile(`^[a-z0-9/]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?$`)
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range p.Services {
			if s.Build != nil {
				if s.Image != "chatd:local" || s.Build.Context == "" {
					t.Errorf("%s is built as %s", name, s.Image)
				}
				continue
			}
			if !exact.MatchString(s.Image) || strings.HasPrefix(s.Image, "postgres:") == (strings.Count(s.Image, ".") == 2) {
				t.Errorf("%s: %s is no exact version", name, s.Image)
			}
		}
	})
}

func TestComposeConfinesEveryService(t *testing.T) {
	t.Parallel()
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range p.Services {
			if !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) != 0 || s.Privileged ||
				!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) || s.Restart != "unless-stopped" {
				t.Errorf("%s may do more than it must", name)
			}
			if s.ReadOnly == (name == "kafka") {
				t.Errorf("%s: its root can be written to: %t", name, !s.ReadOnly)
			}
			if (s.HealthCheck == nil) != (name == "loki") {
				t.Errorf("%s: health check %v", name, s.HealthCheck)
			}
			door := name == "chatd" || name == "balancer"
			if door != (len(s.Ports) > 0) {
				t.Errorf("%s publishes %v", name, s.Ports)
			}
			for _, port := range s.Ports {
				if port.HostIP != "127.0.0.1" {
					t.Errorf("%s is open at %q", name, port.HostIP)
				}
			}
			for _, v := range s.Volumes {
				if v.Type != types.VolumeTypeBind {
					continue
				}
				if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
					t.Errorf("%s: %s: %v", name, v.Source, err)
				}
			}
			for other, dep := range s.DependsOn {
				if _, ok := p.Services[other]; !ok {
					t.Errorf("%s waits for %s, which is not in the set", name, other)
				}
				if checked := p.Services[other].HealthCheck != nil; checked != (dep.Condition == types.ServiceConditionHealthy) && other != "grafana" {
					t.Errorf("%s waits for %s to be %s", name, other, dep.Condition)
				}
			}
		}
		if edge, inner := p.Networks["edge"], p.Networks["inner"]; edge.Internal || !inner.Internal {
			t.Error("the stores can be reached, or the door cannot")
		}
	})
}

// chatds are the services of a set that are chatd.
func chatds(t *testing.T, p *types.Project) map[string]types.ServiceConfig {
	t.Helper()
	found := map[string]types.ServiceConfig{}
	for name, s := range p.Services {
		if strings.HasPrefix(name, "chatd") {
			found[name] = s
		}
	}
	if len(found) == 0 {
		t.Fatal("there is no chatd")
	}
	return found
}

// environ is a container's environment: the image's, then the service's own.
func environ(t *testing.T, s types.ServiceConfig) map[string]string {
	t.Helper()
	env := readDockerfile(t).env
	for name, value := range s.Environment {
		env[name] = *value
	}
	return env
}

func list(env map[string]string) []string {
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

func TestComposeGivesChatdSettingsThatItHas(t *testing.T) {
	t.Parallel()
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range chatds(t, p) {
			env := environ(t, s)
			var out bytes.Buffer
			if err := run(t.Context(), []string{"config", "check", "--offline"}, list(env), &out); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if strings.Contains(out.String(), "no such setting") {
				t.Errorf("%s:\n%s", name, out.String())
			}
			for key := range env {
				if !strings.HasPrefix(key, "CHATD_") {
					t.Errorf("%s: %s is nothing to chatd", name, key)
				}
			}
			if len(s.Command) != 0 || len(s.Entrypoint) != 0 {
				t.Errorf("%s is started otherwise than its image says: %v %v", name, s.Entrypoint, s.Command)
			}
		}
	})
}

func TestComposeFitsWhatChatdServes(t *testing.T) {
	t.Parallel()
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range chatds(t, p) {
			env := environ(t, s)
			if entry := readDockerfile(t).entrypoint; !slices.Equal(s.HealthCheck.Test, append([]string{"CMD"}, append(entry, "healthcheck")...)) {
				t.Errorf("%s: its health is asked by %v", name, s.HealthCheck.Test)
			}
			places := 1 // and that of the files, where there are several nodes
			if env["CHATD_FILES_DIR"] != "" {
				places = 2
			}
			if len(s.Volumes) != places || s.Volumes[0].Target != env["CHATD_DATA_DIR"] || s.Volumes[0].Type != types.VolumeTypeVolume {
				t.Errorf("%s keeps %s in %v", name, env["CHATD_DATA_DIR"], s.Volumes)
			}
			for _, port := range s.Ports {
				if fmt.Sprintf(":%d", port.Target) != env["CHATD_LISTEN"] {
					t.Errorf("%s publishes %d and listens at %s", name, port.Target, env["CHATD_LISTEN"])
				}
			}
			if subnet := p.Networks["edge"].Ipam.Config[0].Subnet; env["CHATD_TRUSTED_PROXIES"] != subnet {
				t.Errorf("%s trusts %s, and the balancer is in %s", name, env["CHATD_TRUSTED_PROXIES"], subnet)
			}
		}
	})
	p, err := loadCompose(t, composeSecrets(), "small", "whole")
	if err != nil {
		t.Fatal(err)
	}
	volumes := map[string]string{}
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			if other := volumes[v.Source]; v.Type == types.VolumeTypeVolume && other != "" && v.Source != "files" {
				t.Errorf("%s and %s share the volume %s", name, other, v.Source)
			}
			volumes[v.Source] = name
		}
	}
	for name, s := range chatds(t, p) {
		dir := environ(t, s)["CHATD_FILES_DIR"]
		if environ(t, s)["CHATD_KAFKA_BROKERS"] == "" {
			continue // alone
		}
		if dir == "" || !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Source == "files" && v.Target == dir }) ||
			!strings.Contains(inRoot(t, "Dockerfile"), "/out/owned"+dir) {
			t.Errorf("%s keeps files in %q, which the nodes do not share or may not write", name, dir)
		}
	}
}

// The servers that chatd is sent to are there, on a network that both are on,
// waited for, and let in whoever chatd says that it is.
func TestComposeSendsChatdToServersThatLetItIn(t *testing.T) {
	t.Parallel()
	ports := map[string]string{"CHATD_POSTGRES_URL": "5432", "CHATD_MONGO_URL": "27017", "CHATD_REDIS_URL": "6379", "CHATD_KAFKA_BROKERS": "9092"}
	eachSet(t, func(t *testing.T, p *types.Project) {
		for name, s := range chatds(t, p) {
			env := environ(t, s)
			for key, port := range ports {
				value, ok := env[key]
				if !ok {
					if name != "chatd" || key == "CHATD_POSTGRES_URL" {
						t.Errorf("%s has no %s", name, key)
					}
					continue
				}
				if key == "CHATD_KAFKA_BROKERS" {
					value = "kafka://" + value
				}
				u, err := url.Parse(value)
				if err != nil || u.Port() != port {
					t.Fatalf("%s: %s: %v", name, key, err)
				}
				to, ok := p.Services[u.Hostname()]
				if !ok || s.DependsOn[u.Hostname()].Condition != types.ServiceConditionHealthy {
					t.Errorf("%s: %s leads to %s, which is not there or not waited for", name, key, u.Hostname())
				}
				if _, both := to.Networks["inner"]; !both || s.Networks == nil {
					t.Errorf("%s cannot reach %s", name, u.Hostname())
				}
				password, _ := u.User.Password()
				if want := letsIn(t, key, to); key != "CHATD_KAFKA_BROKERS" && want != u.User.Username()+" "+password+" "+strings.Trim(u.Path, "/") {
					t.Errorf("%s: %s does not say who is let in", name, key)
				}
			}
		}
	})
}

// letsIn is the user, the password and the database of a server.
func letsIn(t *testing.T, key string, s types.ServiceConfig) string {
	t.Helper()
	env := func(name string) string {
		if s.Environment[name] == nil {
			t.Errorf("%s has no %s", s.Name, name)
			return ""
		}
		return *s.Environment[name]
	}
	switch key {
	case "CHATD_POSTGRES_URL":
		return env("POSTGRES_USER") + " " + env("POSTGRES_PASSWORD") + " " + env("POSTGRES_DB")
	case "CHATD_REDIS_URL":
		if !strings.Contains(strings.Join(s.Command, " "), `--requirepass "$REDISCLI_AUTH"`) {
			t.Errorf("Redis lets everybody in: %q", s.Command)
		}
		return " " + env("REDISCLI_AUTH") + " 0"
	case "CHATD_MONGO_URL":
		script, err := os.ReadFile(filepath.Join(root, "deploy", "mongo-user.js"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"getSiblingDB('chatd')", "user: 'chatd'", "process.env.MONGO_CHATD_PASSWORD", "role: 'readWrite', db: 'chatd'"} {
			if !bytes.Contains(script, []byte(want)) {
				t.Errorf("deploy/mongo-user.js does not say %s", want)
			}
		}
		return "chatd " + env("MONGO_CHATD_PASSWORD") + " chatd"
	}
	return ""
}

func TestComposeHasOneKafkaForAllNodes(t *testing.T) {
	t.Parallel()
	p, err := loadCompose(t, composeSecrets(), "whole")
	if err != nil {
		t.Fatal(err)
	}
	kafka := p.Services["kafka"]
	is := func(name, want string) {
		t.Helper()
		if got := kafka.Environment[name]; got == nil || *got != want {
			t.Errorf("%s is not %s", name, want)
		}
	}
	for name, s := range chatds(t, p) {
		env := environ(t, s)
		is("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://"+env["CHATD_KAFKA_BROKERS"])
		if env["CHATD_KAFKA_TLS"] != "off" || env["CHATD_KAFKA_SASL"] != "off" || env["CHATD_KAFKA_TOPICS"] != "create" {
			t.Errorf("%s does not speak to Kafka as it listens", name)
		}
	}
	is("KAFKA_PROCESS_ROLES", "broker,controller")
	is("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT")
	is("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
	is("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
	is("KAFKA_INTER_BROKER_LISTENER_NAME", "PLAINTEXT")
	is("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
	is("KAFKA_NUM_PARTITIONS", "12")
	is("KAFKA_CONTROLLER_QUORUM_VOTERS", *kafka.Environment["KAFKA_NODE_ID"]+"@kafka:9093")
	for _, name := range []string{"KAFKA_DEFAULT_REPLICATION_FACTOR", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"} {
		is(name, "1") // as there is one broker
	}
	is("KAFKA_LOG_DIRS", kafka.Volumes[0].Target)
	if host, _, _ := net.SplitHostPort(environ(t, p.Services["chatd-1"])["CHATD_KAFKA_BROKERS"]); host != kafka.Name {
		t.Errorf("the broker is %s", host)
	}
}

func isAt(target string) func(types.ServiceVolumeConfig) bool {
	return func(v types.ServiceVolumeConfig) bool { return v.Target == target }
}
