#include "runtime/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/files.hpp"

namespace clconv::core {
namespace {

// SQLite creates files with mode 0644 whatever the umask; journals take over the file's mode.
void create_file(const std::string& path) {
  make_parent_directories(path);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file >= 0) {
    ::close(file);
    return;
  }
  const int failure = errno;
  // What is there may be readable.
  const bool may_be_read = failure == EACCES || failure == EROFS;
  if (may_be_read && ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) == 0) return;
  throw Error(Code::kIo, "cannot create " + path + ": " + std::strerror(failure));
}

}  // namespace

Database::Database(const std::string& path, bool create, int wait_ms)
    : path_(path), wait_ms_(wait_ms) {
  if (create) create_file(path);
  const int status =
      sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (status != SQLITE_OK) {
    std::string reason = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(status);
    if (handle_ != nullptr && sqlite3_system_errno(handle_) != 0) {
      reason = std::strerror(sqlite3_system_errno(handle_));
    }
    sqlite3_close(handle_);
    throw Error(Code::kIo, "cannot open " + path + ": " + reason);
  }
  sqlite3_extended_result_codes(handle_, 1);
  set_wait(wait_ms);
}

Database::~Database() {
  sqlite3_close(handle_);
}

void Database::set_wait(int wait_ms) {
  wait_ms_ = wait_ms;
  sqlite3_busy_timeout(handle_, wait_ms);
}

void Database::fail(int status) {
  const std::string file = "cannot use " + path_ + ": ";
  switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw Locked(file + "another process has locked it, waited " + std::to_string(wait_ms_) +
                   " ms");
    case SQLITE_NOTADB: throw Error(Code::kIo, file + "it is no SQLite file");
    case SQLITE_NOMEM: throw Error(Code::kOutOfMemory, file + "out of memory");
    default: break;
  }
  std::string reason = sqlite3_errmsg(handle_);
  const int system = sqlite3_system_errno(handle_);
  const bool of_system = (status & 0xff) == SQLITE_CANTOPEN || (status & 0xff) == SQLITE_IOERR;
  if (of_system && system != 0) reason += std::string(" (") + std::strerror(system) + ")";
  throw Error(Code::kIo, file + reason);
}

void Database::check(int status) {
  if (status != SQLITE_OK && status != SQLITE_ROW && status != SQLITE_DONE) fail(status);
}

void Database::run(const char* sql) {
  check(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr));
}

std::int64_t Database::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.step() ? std::stoll(statement.text(0)) : 0;
}

Database::Transaction::Transaction(Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

Database::Transaction::~Transaction() {
  // After some errors SQLite has rolled back itself, and says that there is nothing to roll back.
  if (open_) sqlite3_exec(database_.handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

Database::Statement::Statement(Database& database, const char* sql) : database_(database) {
  database_.check(sqlite3_prepare_v2(database_.handle_, sql, -1, &handle_, nullptr));
}

Database::Statement::~Statement() {
  sqlite3_finalize(handle_);
}

Database::Statement& Database::Statement::bind(int parameter, const std::string& text) {
  database_.check(sqlite3_bind_text(handle_, parameter, text.data(), static_cast<int>(text.size()),
                                    SQLITE_TRANSIENT));
  return *this;
}

bool Database::Statement::step() {
  const int status = sqlite3_step(handle_);
  database_.check(status);
  return status == SQLITE_ROW;
}

void Database::Statement::reset() {
  sqlite3_reset(handle_);
}

std::string Database::Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(handle_, column);
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(text),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

}  // namespace clconv::core
