// An SQLite file. Statements, transactions and waits with a limit; nothing of what is kept. SQLite does what files of
// several processes are hard at: locking, atomic changes, recovery after a kill or a power cut, read-only media.
#pragma once

#include <cstdint>
#include <string>

#include "error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace clconv::core {

// Another process has kept a file locked for as long as we wait.
class Locked : public Error {
 public:
  explicit Locked(const std::string& text) : Error(Code::kIo, text) {}
};

// One connection, for one thread at a time and for the process that opened it.
class Database {
 public:
  // A file that exists, or (`create`) is made, with the folders above it; the umask decides its mode. A file that
  // may not be written is opened for reading. A call waits `wait_ms` at most for another process. Throws Error{kIo}
  // or Locked, with the path and the reason, as everything here does.
  Database(const std::string& path, bool create, int wait_ms);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void set_wait(int wait_ms);
  void run(const char* sql);
  std::int64_t number(const char* sql);  // the first column of the first row

  // Rolled back by its end, unless committed.
  class Transaction {
   public:
    // Takes the right to write at once, so that what is read in it stays true.
    explicit Transaction(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    void commit();

   private:
    Database& database_;
    bool open_ = true;
  };

  class Statement {
   public:
    Statement(Database& database, const char* sql);
    ~Statement();
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    // Parameters count from 1 and stay bound; columns from 0.
    Statement& bind(int parameter, const std::string& text);
    bool step();   // is there a row?
    void reset();  // to bind and step again
    std::string text(int column) const;

   private:
    Database& database_;
    sqlite3_stmt* handle_ = nullptr;
  };

 private:
  void check(int status);
  [[noreturn]] void fail(int status);

  std::string path_;
  int wait_ms_;
  sqlite3* handle_ = nullptr;
};

}  // namespace clconv::core
