// Package ids has the typed identifiers of everything that is stored: UUIDv7
// inside, so that they sort by the time of their making, and outside an
// opaque string that begins with a prefix for the type ("usr_…"), after the
// TypeID convention (https://github.com/jetify-com/typeid, spec 0.3).
package ids
