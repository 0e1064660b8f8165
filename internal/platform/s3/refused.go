package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/minio/minio-go/v7"
)

// Check does once what a server must let chatd do: list, write, read and remove
// an object, which is gone again when it returns. The error is one line that
// says what is wrong and what to do, and shows no secret.
func (b *Bucket) Check(ctx context.Context) error {
	if _, err := b.List(ctx, "", 1); err != nil {
		return b.refused(ctx, "list", err)
	}
	key, text := "check-"+strings.ToLower(rand.Text()), []byte("chatd")
	if err := b.Put(ctx, key, bytes.NewReader(text), int64(len(text))); err != nil {
		return b.refused(ctx, "write", err)
	}
	back, err := b.read(ctx, key)
	if err != nil {
		err = b.refused(ctx, "read", err)
	} else if !bytes.Equal(back, text) {
		err = fmt.Errorf("the server at %s gave back another object than was written; name an S3", b.host)
	}
	if gone := b.Remove(ctx, key); gone != nil && err == nil {
		err = b.refused(ctx, "remove", gone)
	}
	return err
}

func (b *Bucket) read(ctx context.Context, key string) ([]byte, error) {
	o, err := b.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close() //nolint:errcheck // Only read.
	return io.ReadAll(o)
}

// Ping says whether the bucket answers.
func (b *Bucket) Ping(ctx context.Context) error {
	_, err := b.List(ctx, "", 1)
	return err
}

// refused says of an error what is wrong and what to do.
func (b *Bucket) refused(ctx context.Context, doing string, err error) error {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		plain     tls.RecordHeaderError
	)
	code := answerOf(err).Code
	said := func(what string) error { return fmt.Errorf("%s: %s", b.host, what) }
	switch {
	case errors.As(err, &name):
		return said("the host is not known; check its name in the URL")
	case errors.Is(err, syscall.ECONNREFUSED):
		return said("nobody listens there (connection refused); start the server, or check host and port in the URL")
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return said("it does not speak TLS; write http:// in the URL, or check the port")
	case errors.As(err, &authority):
		return said("its certificate is of an authority that this machine does not know; name the authority's file in SSL_CERT_FILE")
	case errors.As(err, &host):
		return said("its certificate is of another host; write the host that is in it")
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "XAdminUserNotFound": // the last is Versity's
		return said("the key or its secret is refused (" + code + "); check both in the URL, where a / of the secret is written %2F and a + %2B")
	case code == minio.NoSuchBucket:
		return said("there is no bucket " + b.name + "; make it, or name another")
	case code == "InvalidBucketName":
		return said(b.name + " can be no bucket's name; name another")
	case code == "AccessDenied", code == "AllAccessDisabled":
		return said("the key may not " + doing + " objects in the bucket " + b.name + "; let it list, read, write and remove there")
	case code == "AuthorizationHeaderMalformed", code == "InvalidRegion":
		return said("the region is refused; write that of the bucket behind the URL, as ?region=eu-central-1")
	case code == "RequestTimeTooSkewed":
		return said("its clock and this machine's differ too much; set them")
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return said("no answer within the time; check host and port in the URL, and firewalls")
	case code == "" || strings.Contains(err.Error(), "XML syntax") || strings.Contains(err.Error(), "malformed HTTP") || errors.Is(err, io.EOF):
		return said("what answers there is no S3; check host and port in the URL")
	case answerOf(err).StatusCode == http.StatusBadRequest && strings.Contains(err.Error(), "HTTPS"):
		return said("it wants TLS; write https:// in the URL")
	}
	return said("it does not let chatd " + doing + " objects in the bucket " + b.name + ": " + code)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
