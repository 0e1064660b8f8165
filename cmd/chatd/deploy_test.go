package main

import (
	"encoding/json"
	"fmt"
	"go/version"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"chatd/internal/platform/sqldb/sqldbtest"
)

// dockerfile is what matters of the image.
type dockerfile struct {
	from, copied, build []string // images; what is copied from here; the words of go build
	env                 map[string]string
	entrypoint, health  []string
	user, volume        string
}

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	d := dockerfile{env: map[string]string{}}
	inBrackets := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text[strings.Index(text, "["):]), &words); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return words
	}
	for line := range strings.Lines(inRoot(t, "Dockerfile")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		words := strings.Fields(rest)
		switch word {
		case "FROM":
			d.from = append(d.from, words[0])
		case "COPY":
			if !strings.HasPrefix(rest, "--from") {
				d.copied = append(d.copied, words[:len(words)-1]...)
			}
		case "RUN":
			if with, args, ok := strings.Cut(rest, "go build "); ok {
				d.build = strings.Fields(strings.ReplaceAll(args, `"-s -w"`, "-s/-w"))
				if with != "CGO_ENABLED=0 " {
					t.Errorf("it is built with %q", with)
				}
			}
		case "ENV":
			for _, w := range words {
				name, value, _ := strings.Cut(w, "=")
				d.env[name] = value
			}
		case "USER":
			d.user = rest
		case "VOLUME":
			d.volume = rest
		case "HEALTHCHECK":
			d.health = inBrackets(rest)
		case "ENTRYPOINT":
			d.entrypoint = inBrackets(rest)
		}
	}
	return d
}

func inRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheImageIsBuiltByAGoThatIsNewEnough(t *testing.T) {
	t.Parallel()
	d := readDockerfile(t)
	image := regexp.MustCompile(`^golang:(\d+\.\d+\.\d+)(-\w+)?$`).FindStringSubmatch(d.from[0])
	least := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(inRoot(t, "go.mod"))
	if image == nil || least == nil || version.Compare("go"+image[1], "go"+least[1]) < 0 {
		t.Errorf("%s builds what go.mod says of %v", d.from[0], least)
	}
	if last := d.from[len(d.from)-1]; last != "scratch" {
		t.Errorf("the image begins with %s", last)
	}
}

// All that go build reads is in the image's build, and Go knows the words of
// its command. To build it takes minutes where nothing is cached; the flags
// are tried by -n, which prints what would be done.
func TestTheImageIsBuiltOfAllThatItNeeds(t *testing.T) {
	t.Parallel()
	d := readDockerfile(t)
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	var ignored []string
	for line := range strings.Lines(inRoot(t, ".dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ignored = append(ignored, line)
		}
	}
	reaches := func(file string) error {
		at, err := filepath.Rel(here, file)
		if err != nil {
			return err
		}
		if top, _, _ := strings.Cut(at, "/"); !slices.Contains(d.copied, top) {
			return fmt.Errorf("%s is not copied", at)
		}
		for _, pattern := range ignored {
			name := at
			if inAny, ok := strings.CutPrefix(pattern, "**/"); ok {
				name, pattern = path.Base(at), inAny
			}
			for ; name != "."; name = path.Dir(name) {
				if ok, err := path.Match(pattern, name); ok || err != nil {
					return fmt.Errorf("%s is ignored by %s", at, pattern)
				}
			}
		}
		return nil
	}
	out := goTool(t, "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}{{end}}`, "./cmd/chatd")
	files := strings.Fields(out)
	if len(files) < 100 {
		t.Fatalf("%d files are built", len(files))
	}
	for _, file := range append(files, here+"/go.mod", here+"/go.sum") {
		if err := reaches(file); err != nil {
			t.Error(err)
		}
	}
	words := slices.Clone(d.build)
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "-s/-w", "-s -w")
	}
	goTool(t, append([]string{"build", "-n"}, words...)...)
	if !slices.Contains(words, "-trimpath") || !slices.Contains(words, "/out/chatd") {
		t.Errorf("it is built by %q", words)
	}
	flags := strings.ReplaceAll(strings.Join(d.build[:2], " "), "-s/-w", `"-s -w"`)
	if by := "CGO_ENABLED=0 go build " + flags + " -o chatd ./cmd/chatd"; !strings.Contains(inRoot(t, "docs/operations.md"), by) {
		t.Errorf("docs/operations.md does not say %s", by)
	}
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %q: %v\n%s", args, err, said.String())
	}
	return string(out)
}

func TestTheImageRunsAsNobodyAndWritesInOnePlace(t *testing.T) {
	t.Parallel()
	d := readDockerfile(t)
	if !regexp.MustCompile(`^[1-9]\d+:[1-9]\d+$`).MatchString(d.user) {
		t.Errorf("it runs as %q", d.user) // by number: there is no list of names
	}
	if d.volume != d.env["CHATD_DATA_DIR"] || !strings.Contains(inRoot(t, "Dockerfile"), "--chown="+d.user) {
		t.Errorf("its data is in %s, and %s is writable", d.env["CHATD_DATA_DIR"], d.volume)
	}
	if !slices.Equal(d.health, append(slices.Clone(d.entrypoint), "healthcheck")) {
		t.Errorf("its health is asked by %q", d.health)
	}
}

// The server of the small set, on a PostgreSQL of the tests: it starts with
// the environment of compose.yaml, is healthy by the check of compose.yaml,
// and has its metrics where Prometheus of the whole set asks for them.
func TestTheServerOfComposeStartsAndIsHealthy(t *testing.T) {
	t.Parallel()
	p, err := loadCompose(t, composeSecrets(), "small")
	if err != nil {
		t.Fatal(err)
	}
	env := environ(t, p.Services["chatd"])
	env["CHATD_POSTGRES_URL"], env["CHATD_DURABILITY"] = sqldbtest.PostgresURL(t), "relaxed" // of the tests' server
	env["CHATD_DATA_DIR"] = filepath.Join(t.TempDir(), "data")
	env["CHATD_LISTEN"], env["CHATD_OPS_LISTEN"] = freeAddr(t), freeAddr(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "serve")
	cmd.Env = append(append(os.Environ(), asProgram+"=1"), list(env)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	}()
	var ill error
	await(t, 20*time.Second, "it is healthy", func() bool {
		ill = run(t.Context(), []string{"healthcheck"}, list(env), io.Discard)
		return ill == nil
	})
	var scrape prometheusFile
	readYAML(t, "deploy/prometheus.yml", &scrape)
	resp, err := http.Get("http://" + env["CHATD_OPS_LISTEN"] + scrape.Jobs[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "chatd_store_commits_total") {
		t.Errorf("metrics: %s, %v\n%s", resp.Status, err, body)
	}
}

type prometheusFile struct {
	Jobs []struct {
		Name    string `yaml:"job_name"`
		Path    string `yaml:"metrics_path"`
		Targets []struct {
			Targets []string `yaml:"targets"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(inRoot(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// Each file of deploy/ is given to a service, and names nodes and ports that
// are there.
func TestTheFilesOfDeployFitCompose(t *testing.T) {
	t.Parallel()
	p, err := loadCompose(t, composeSecrets(), "whole")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, s := range p.Services {
		for _, v := range s.Volumes {
			given[filepath.Base(v.Source)] = true
		}
	}
	files, err := os.ReadDir(filepath.Join(root, "deploy"))
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, f := range files {
		if !given[f.Name()] {
			t.Errorf("deploy/%s is given to no service", f.Name())
		}
	}
	var nodes, asked []string
	var scrape prometheusFile
	readYAML(t, "deploy/prometheus.yml", &scrape)
	balancer := inRoot(t, "deploy/haproxy.cfg")
	for name, s := range chatds(t, p) {
		env := environ(t, s)
		nodes = append(nodes, name+env["CHATD_OPS_LISTEN"])
		for _, want := range []string{
			"\n    server " + name + " " + name + env["CHATD_LISTEN"] + "\n", " check port " + env["CHATD_OPS_LISTEN"][1:] + " ",
		} {
			if !strings.Contains(balancer, want) {
				t.Errorf("deploy/haproxy.cfg does not say %q", want)
			}
		}
	}
	slices.Sort(nodes)
	for _, group := range scrape.Jobs[0].Targets {
		asked = append(asked, group.Targets...)
	}
	if slices.Sort(asked); !slices.Equal(asked, nodes) || scrape.Jobs[0].Name != "chatd" {
		t.Errorf("Prometheus asks %v, and the nodes are %v", asked, nodes)
	}
	for _, port := range p.Services["balancer"].Ports {
		if !strings.Contains(balancer, fmt.Sprintf("\n    bind :%d\n", port.Target)) {
			t.Errorf("the balancer does not listen at %d", port.Target)
		}
	}
	if n := strings.Count(balancer, "\n    server chatd-"); n != len(nodes) || strings.Contains(balancer, "stick") && !strings.Contains(balancer, "nothing sticks") {
		t.Errorf("the balancer has %d nodes, or sticks", n)
	}
	var loki struct {
		Server struct {
			Port int `yaml:"http_listen_port"`
		} `yaml:"server"`
		Common struct {
			Path string `yaml:"path_prefix"`
		} `yaml:"common"`
	}
	readYAML(t, "deploy/loki.yaml", &loki)
	if loki.Common.Path != "/loki" || !slices.ContainsFunc(p.Services["loki"].Volumes, isAt(loki.Common.Path)) {
		t.Errorf("Loki keeps its data in %q", loki.Common.Path)
	}
	var grafana struct {
		Sources []struct{ Type, URL string } `yaml:"datasources"`
	}
	readYAML(t, "deploy/grafana.yaml", &grafana)
	var sources []string
	for _, s := range grafana.Sources {
		sources = append(sources, s.Type+" "+s.URL)
	}
	if want := []string{"prometheus http://prometheus:9090", fmt.Sprintf("loki http://loki:%d", loki.Server.Port)}; !slices.Equal(sources, want) {
		t.Errorf("Grafana's sources are %q, and should be %q", sources, want)
	}
}
