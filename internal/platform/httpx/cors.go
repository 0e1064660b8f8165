package httpx

import "net/http"

// What pages of allowed origins may send and read. Credentials are not among
// it: tokens go in a header, and chatd sets no cookies for other origins.
const (
	corsMethods = "GET, POST, HEAD, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Tus-Resumable, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset"
	corsExposed = "Content-Disposition, Location, Retry-After, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Length, Upload-Offset, X-Request-Id"
)

// cors answers preflights (true) and lets pages of allowed origins read the
// answers. An origin that is not on the list gets no header; it is never
// echoed. https://fetch.spec.whatwg.org/#http-cors-protocol
func (f *Front) cors(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	head := w.Header()
	head.Add("Vary", "Origin")
	allowed := f.origins[origin]
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if allowed {
		head.Set("Access-Control-Allow-Origin", origin)
		head.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if preflight {
			head.Set("Access-Control-Allow-Methods", corsMethods)
			head.Set("Access-Control-Allow-Headers", corsHeaders)
			head.Set("Access-Control-Max-Age", "600")
		} else {
			head.Set("Access-Control-Expose-Headers", corsExposed)
		}
	}
	if preflight {
		w.WriteHeader(http.StatusNoContent)
	}
	return preflight
}
