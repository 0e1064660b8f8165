package mongodbtest_test

import (
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"chatd/internal/platform/mongodb/mongodbtest"
)

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for range 3 {
		c := mongodbtest.New(t).Collection("c")
		if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}}); err != nil {
			t.Fatal(err)
		}
	}
}

// FerretDB alone loses most of these; MongoDB does not.
func TestUpdatesAtOnceAreNotLost(t *testing.T) {
	t.Parallel()
	c := mongodbtest.New(t).Collection("c")
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				_, err := c.UpdateByID(t.Context(), 1, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var d struct{ N int }
	if err := c.FindOne(t.Context(), bson.D{}).Decode(&d); err != nil || d.N != 200 {
		t.Fatal(d.N, err)
	}
}
