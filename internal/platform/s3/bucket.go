package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"chatd/internal/platform/dial"
	"chatd/internal/platform/errs"
)

// Config is where a bucket is; the URL is required.
type Config struct {
	// URL is http or https://KEY:SECRET@host[:port]/bucket[/prefix][?region=…].
	URL string
	// Timeout is that of a call which carries no object, 10 s; an object has
	// a second more for each 256 KiB.
	Timeout time.Duration
}

// Bucket has objects. It may be used by any number of goroutines.
type Bucket struct {
	client  *minio.Client
	host    string
	name    string
	prefix  string // empty, or with a slash at its end
	timeout time.Duration
}

// ErrNone says that there is no such object.
var ErrNone = errors.New("s3: no such object")

var errURL = errors.New("must be a URL with keys and a bucket, as https://KEY:SECRET@s3.example.org/bucket (its text is not shown here: it holds a secret)")

// CheckURL says whether a URL can be one of a bucket. The error shows nothing
// of it.
func CheckURL(raw string) error {
	_, err := parse(raw)
	return err
}

type place struct {
	url            *url.URL
	bucket, prefix string
	key, secret    string
}

func parse(raw string) (place, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User == nil || u.Fragment != "" {
		return place{}, errURL
	}
	p := place{url: u, key: u.User.Username()}
	p.secret, _ = u.User.Password()
	bucket, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if p.bucket = bucket; bucket == "" || p.key == "" || p.secret == "" {
		return place{}, errURL
	}
	if prefix != "" {
		p.prefix = prefix + "/"
	}
	for name := range u.Query() {
		if name != "region" {
			return place{}, errURL
		}
	}
	return p, nil
}

// Open makes a Bucket. It asks nothing; Check does.
func Open(cfg Config) (*Bucket, error) {
	p, err := parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	// HTTP/1.1 alone: an object each connection, so that none waits behind
	// another's.
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.Dialer(3 * time.Second).DialContext, TLSHandshakeTimeout: 5 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
	client, err := minio.New(p.url.Host, &minio.Options{
		Creds: credentials.NewStaticV4(p.key, p.secret, ""), Secure: p.url.Scheme == "https", Transport: transport,
		Region: p.url.Query().Get("region"), MaxRetries: 3,
	})
	if err != nil {
		return nil, errURL
	}
	return &Bucket{client: client, host: p.url.Host, name: p.bucket, prefix: p.prefix, timeout: cmp.Or(cfg.Timeout, 10*time.Second)}, nil
}

func (b *Bucket) within(ctx context.Context, bytes int64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.timeout+time.Duration(bytes>>18)*time.Second)
}

// Put writes an object of size bytes, in place of one that is there, and
// returns when it is durable as far as the server's word goes.
func (b *Bucket) Put(ctx context.Context, key string, from io.ReadSeeker, size int64) error {
	ctx, cancel := b.within(ctx, size)
	defer cancel()
	_, err := b.client.PutObject(ctx, b.name, b.prefix+key, from, size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", DisableMultipart: true,
	})
	if err != nil {
		return fmt.Errorf("put an object: %w", translate(err))
	}
	return nil
}

// Object is one that can be read from anywhere, as long as the context of its
// opening. It must be closed.
type Object struct {
	*minio.Object

	size int64
}

// Size is how many bytes it has.
func (o *Object) Size() int64 { return o.size }

// Get opens an object; ErrNone.
func (b *Bucket) Get(ctx context.Context, key string) (*Object, error) {
	o, err := b.client.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("open an object: %w", translate(err))
	}
	info, err := o.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open an object: %w", translate(err)), o.Close())
	}
	return &Object{o, info.Size}, nil
}

// Size returns how many bytes an object has; ErrNone.
func (b *Bucket) Size(ctx context.Context, key string) (int64, error) {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	info, err := b.client.StatObject(ctx, b.name, b.prefix+key, minio.StatObjectOptions{})
	if err != nil {
		return 0, fmt.Errorf("look at an object: %w", translate(err))
	}
	return info.Size, nil
}

// Remove removes objects in their order, and is content where there is none.
func (b *Bucket) Remove(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := b.remove(ctx, key); err != nil && !errors.Is(err, ErrNone) {
			return fmt.Errorf("remove an object: %w", err)
		}
	}
	return nil
}

func (b *Bucket) remove(ctx context.Context, key string) error {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	return translate(b.client.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{}))
}

// Entry is an object of a list.
type Entry struct {
	Key  string
	Size int64
}

// List returns the objects whose keys begin with a prefix, by their keys; at
// most most.
func (b *Bucket) List(ctx context.Context, prefix string, most int) ([]Entry, error) {
	ctx, cancel := b.within(ctx, 0)
	defer cancel()
	var all []Entry
	for o := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{
		Prefix: b.prefix + prefix, Recursive: true, MaxKeys: min(most, 1000),
	}) {
		if o.Err != nil {
			return nil, fmt.Errorf("list objects: %w", translate(o.Err))
		}
		if all = append(all, Entry{strings.TrimPrefix(o.Key, b.prefix), o.Size}); len(all) == most {
			break
		}
	}
	return all, nil
}

// answerOf is what a server has answered with an error; empty when it has not.
func answerOf(err error) minio.ErrorResponse {
	r, _ := errors.AsType[minio.ErrorResponse](err)
	return r
}

// translate makes of a driver's error one that callers can tell apart.
func translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	switch r := answerOf(err); {
	case r.Code == minio.NoSuchKey:
		return errors.Join(ErrNone, err)
	case r.Code == "" || r.StatusCode == 0 || r.StatusCode >= http.StatusInternalServerError || r.StatusCode == http.StatusTooManyRequests,
		errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", errs.ErrUnavailable, err)
	}
	return err
}
