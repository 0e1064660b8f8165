// Runs once, when the database is made: chatd's own user, who may do what he
// likes with chatd's database and nothing else.
db.getSiblingDB('chatd').createUser({
  user: 'chatd',
  pwd: process.env.MONGO_CHATD_PASSWORD,
  roles: [{ role: 'readWrite', db: 'chatd' }],
});
