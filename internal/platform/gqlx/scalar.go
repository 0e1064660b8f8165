package gqlx

import (
	"errors"
	"time"
)

// Time is the scalar Time: an instant, RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

var errTime = errors.New("not a time as RFC 3339 writes it")

// TimeOf returns t as the scalar.
func TimeOf(t time.Time) Time { return Time{t} }

// TimePtr returns t as the scalar, or nil for the zero time.
func TimePtr(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// ImplementsGraphQLType ties the type to the scalar of its name.
func (Time) ImplementsGraphQLType(name string) bool { return name == "Time" }

// UnmarshalGraphQL reads a string as RFC 3339 writes times, in any zone.
func (t *Time) UnmarshalGraphQL(input any) error {
	s, ok := input.(string)
	if !ok {
		return errTime
	}
	v, err := parseTime(s)
	t.Time = v
	return err
}

// MarshalJSON writes the instant in UTC, cut to milliseconds.
func (t Time) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, len(timeLayout)+2), '"')
	b = t.UTC().AppendFormat(b, timeLayout)
	return append(b, '"'), nil
}

// NullTime is a Time of an input, of which one can tell whether it was left
// out or null.
type NullTime struct {
	value Time // zero for null
	set   bool
}

// ImplementsGraphQLType ties the type to the scalar of its name.
func (NullTime) ImplementsGraphQLType(name string) bool { return name == "Time" }

// Nullable tells the library to hand over null as well.
func (*NullTime) Nullable() {}

// UnmarshalGraphQL reads null or a time.
func (t *NullTime) UnmarshalGraphQL(input any) error {
	t.set = true
	if input == nil {
		return nil
	}
	return t.value.UnmarshalGraphQL(input)
}

// Patch turns what was left out into nil, and null into the zero time.
func (t NullTime) Patch() *time.Time {
	if !t.set {
		return nil
	}
	return &t.value.Time
}

// parseTime reads a time of the years 1 to 9999, so that it can be written
// back.
func parseTime(s string) (time.Time, error) {
	v, err := time.Parse(time.RFC3339Nano, s)
	if v = v.UTC(); err != nil || v.Year() < 1 || v.Year() > 9999 {
		return time.Time{}, errTime
	}
	return v, nil
}
