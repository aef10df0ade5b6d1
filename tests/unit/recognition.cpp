// Each row of what counts as "address in use". A fake probe names one holder, and a fake killer terminates it: a second
// start tells what the failure counted as.

#include <retry_on_addr_in_use.hpp>

#include "../catch.hpp"

#include <cerrno>
#include <memory>

using namespace addr_in_use;

namespace {

const int in_use_number = detail::Os::traits.in_use; // what the system says of a failed bind
constexpr std::uint32_t nobodys_pid = 0x7ffffff0;    // beyond any pid_max

std::vector<Holder> one_holder() {
    Holder holder;
    holder.pid = nobodys_pid;
    holder.sockets = {Endpoint("127.0.0.1", 80)};
    return {holder};
}

// What it takes to let a start fail and see how it was understood.
struct Outcome {
    int starts = 0;
    int probes = 0;
    bool threw = false;
};

template <class Wrap, class Fail> Outcome outcome_of(Wrap wrap, Fail fail, bool held = true) {
    Outcome outcome;
    const auto server = [&](std::uint16_t) {
        ++outcome.starts;
        return fail();
    };
    struct Probe {
        Outcome* outcome;
        bool is_held;
        std::vector<Holder> operator()(const Endpoint&) const {
            ++outcome->probes;
            return is_held ? one_holder() : std::vector<Holder>();
        }
        bool held(const Endpoint&) const { return false; }
    };
    RetryOnAddrInUse retry{wrap(server), Probe{&outcome, held}, [](const Holder&) { return Fate::killed; }, NoLog{}};
    try {
        static_cast<void>(retry.start("127.0.0.1", 80));
    } catch (...) { outcome.threw = true; }
    return outcome;
}

template <class Fail> Outcome outcome_of(Fail fail, bool held = true) {
    return outcome_of([](auto server) { return server; }, fail, held);
}

template <class Fail> Outcome asked(Fail fail, bool held = true) {
    return outcome_of([](auto server) { return AskProbe<decltype(server)>{std::move(server)}; }, fail, held);
}

enum Understood { no, yes, ask };

template <class Fail> Understood understood(Fail fail) {
    if (outcome_of(fail).starts == 1) { return no; }
    return outcome_of(fail, false).starts == 2 ? yes : ask;
}

struct NamedCategory : std::error_category {
    const char* given_name;
    explicit NamedCategory(const char* name) : given_name(name) {}
    const char* name() const noexcept override { return given_name; }
    std::string message(int) const override { return "?"; }
};
const NamedCategory asio_system("asio.system");
const NamedCategory other("other");

template <class E> auto thrower(E exception) {
    return [exception] { throw exception; };
}

// MinGW's text for each number that it does not know: "Unknown error" or "Unknown error code".
bool is_unknown(const std::string& message) { return message.rfind("Unknown error", 0) == 0; }

} // namespace

TEST_CASE("an exception with a code is understood by its code") {
    CHECK(understood(thrower(std::system_error(in_use_number, std::system_category()))) == yes);
    CHECK(understood(thrower(std::system_error(EADDRINUSE, std::generic_category()))) == yes);
    CHECK(understood(thrower(std::system_error(std::make_error_code(std::errc::address_in_use)))) == yes);
    CHECK(understood(thrower(std::system_error(in_use_number, asio_system))) == yes);
    CHECK(understood(thrower(std::system_error(in_use_number, other))) == no);
    CHECK(understood(thrower(std::system_error(EACCES, std::system_category()))) == no);
    CHECK(understood(thrower(std::system_error(EACCES, std::system_category(), "Address already in use"))) == no);
}

TEST_CASE("an exception with a text is a reason to ask the probe") {
    CHECK(understood(thrower(std::runtime_error("bind: Address already in use"))) == ask);
    CHECK(understood(thrower(std::runtime_error("no certificate"))) == no);
    CHECK(understood(thrower(42)) == no);
    CHECK(understood(thrower("Address already in use")) == no); // not a std::exception: nothing may be read
    const std::string message = std::generic_category().message(EADDRINUSE);
    CHECK(understood(thrower(std::runtime_error(message))) == (is_unknown(message) ? no : ask));
}

TEST_CASE("the text of Boost's exceptions is understood by its number, in any language") {
    const auto boost_text = [](const std::string& number, const char* end) {
        return thrower(std::runtime_error("bind: Adresse bereits in Verwendung [system:" + number + end));
    };
    const std::string number = std::to_string(in_use_number);
    CHECK(understood(boost_text(number, "]")) == ask);
    CHECK(understood(boost_text(number, " at server.cpp:7 in function 'listen']")) == ask);
    CHECK(understood(boost_text(number + '0', "]")) == no);
    CHECK(understood(thrower(std::runtime_error("Unknown error"))) == no);
    std::string message = std::system_category().message(in_use_number);
    if (!is_unknown(message)) {
        if (message.back() == '.') { message.pop_back(); }
        CHECK(understood(thrower(std::runtime_error("bind: " + message))) == ask);
    }
}

TEST_CASE("the whole chain of nested exceptions counts") {
    const auto nest = [](auto inner, auto outer) {
        return [=] {
            try {
                throw inner;
            } catch (...) { std::throw_with_nested(outer); }
        };
    };
    const std::system_error in_use(in_use_number, std::system_category());
    const std::system_error forbidden(EACCES, std::system_category());
    const std::runtime_error plain("cannot start");
    const std::runtime_error text("Address already in use");
    CHECK(understood(nest(in_use, plain)) == yes);
    CHECK(understood(nest(in_use, forbidden)) == yes);
    CHECK(understood(nest(forbidden, in_use)) == yes);
    CHECK(understood(nest(forbidden, text)) == no);
    CHECK(understood(nest(text, forbidden)) == no);
    CHECK(understood(nest(text, plain)) == ask);
    CHECK(understood(nest(plain, plain)) == no);
    const auto deep = [&] {
        std::exception_ptr inner = std::make_exception_ptr(in_use);
        for (int level = 0; level < 1000; ++level) {
            try {
                try {
                    std::rethrow_exception(inner);
                } catch (...) { std::throw_with_nested(plain); }
            } catch (...) { inner = std::current_exception(); }
        }
        std::rethrow_exception(inner);
    };
    CHECK(understood(deep) == yes);
}

TEST_CASE("a returned code is understood") {
    struct BoostLikeCategory {
        const char* name() const { return "system"; }
    };
    struct BoostLike { // boost::system::error_code before it converted to the standard one
        int number;
        int value() const { return number; }
        BoostLikeCategory category() const { return {}; }
    };
    struct Convertible {
        int number;
        operator std::error_code() const { return {number, std::system_category()}; }
    };
    CHECK(understood([] { return std::errc::address_in_use; }) == yes);
    CHECK(understood([] { return std::errc::permission_denied; }) == no);
    CHECK(understood([] { return std::errc(); }) == no);
    CHECK(understood([] { return std::error_code(in_use_number, std::system_category()); }) == yes);
    CHECK(understood([] { return std::error_code(in_use_number, asio_system); }) == yes);
    CHECK(understood([] { return std::error_code(in_use_number, other); }) == no);
    CHECK(understood([] { return std::error_code(EACCES, std::system_category()); }) == no);
    CHECK(understood([] { return std::error_code(); }) == no);
    CHECK(understood([] { return std::make_error_condition(std::errc::address_in_use); }) == yes);
    CHECK(understood([] { return BoostLike{in_use_number}; }) == yes);
    CHECK(understood([] { return BoostLike{EACCES}; }) == no);
    CHECK(understood([] { return Convertible{in_use_number}; }) == yes);
    CHECK(understood([] { return Convertible{0}; }) == no);
}

TEST_CASE("a negative number is understood by itself, or by errno") {
    CHECK(understood([] { return -in_use_number; }) == yes);
    CHECK(understood([] { return static_cast<long long>(-in_use_number); }) == yes);
    CHECK(understood([] { return -EACCES; }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return -1;
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(EACCES);
              return -1;
          }) == no);
    CHECK(understood([] { return -1; }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return 0;
          }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return in_use_number;
          }) == no); // some other number
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return static_cast<unsigned>(-in_use_number);
          }) == no);
}

TEST_CASE("a silent failure is understood by errno, which is the call's own") {
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return false;
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(EACCES);
              return false;
          }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return true;
          }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return static_cast<int*>(nullptr);
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::unique_ptr<int>();
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::shared_ptr<int>();
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::make_unique<int>(1);
          }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::optional<int>();
          }) == yes);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::optional<int>(0);
          }) == no);
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::string();
          }) == no); // compares with null, but must not
    CHECK(understood([] {
              detail::Os::set_last_error(in_use_number);
              return std::string_view();
          }) == no);
    detail::Os::set_last_error(in_use_number); // left over from earlier
    CHECK(understood([] { return false; }) == no);
}

TEST_CASE("the error inside an expected-like value is understood") {
    struct Text {};
    const auto expected = [](auto reason, bool good) {
        struct Expected {
            decltype(reason) inside;
            bool good;
            bool has_value() const { return good; }
            decltype(reason) error() const { return inside; }
        };
        return [=] {
            detail::Os::set_last_error(in_use_number);
            return Expected{reason, good};
        };
    };
    CHECK(understood(expected(std::make_error_code(std::errc::address_in_use), false)) == yes);
    CHECK(understood(expected(std::make_error_code(std::errc::address_in_use), true)) == no);
    CHECK(understood(expected(std::error_code(), false)) == no);
    CHECK(understood(expected(std::errc::permission_denied, false)) == no);
    CHECK(understood(expected(Text{}, false)) == yes); // an unknown kind of error says nothing, errno does
}

TEST_CASE("AskProbe lets the probe decide where no reason is given, and only there") {
    CHECK(asked([] {
              detail::Os::set_last_error(EACCES);
              return false;
          }).starts == 2);
    CHECK(asked(
              [] {
                  detail::Os::set_last_error(EACCES);
                  return false;
              },
              false)
              .starts == 1);
    CHECK(asked([] { return std::unique_ptr<int>(); }).starts == 2);
    CHECK(asked([] { return std::optional<int>(); }).starts == 2);
    CHECK(asked([] {
              detail::Os::set_last_error(EACCES);
              return -1;
          }).starts == 2);
    CHECK(asked([] {
              detail::Os::set_last_error(EACCES);
              return -EACCES;
          }).starts == 1);
    CHECK(asked(thrower(42)).starts == 2);
    CHECK(asked(thrower(std::runtime_error("no certificate"))).starts == 2);
    CHECK(asked(thrower(std::runtime_error("no certificate")), false).starts == 1);
    CHECK(asked(thrower(std::system_error(EACCES, std::system_category()))).starts == 1);
    CHECK(asked([] { return std::error_code(EACCES, std::system_category()); }).starts == 1);
    CHECK(asked([] { return true; }).starts == 1);
}

namespace {
struct OwnError : std::exception {
    const char* what() const noexcept override { return "Net Exception"; }
};
struct OwnServer {
    int starts = 0;
    int fails_with;
    int start() {
        ++starts;
        if (fails_with < 0) { throw OwnError(); }
        return starts == 1 ? fails_with : 0;
    }
};
struct ThrowingServer {
    void start() { throw std::runtime_error("the server's own"); }
};
struct ForeignServer {
    int opened = 0;
    int reopened = 0;
    bool open_at(int) {
        ++opened;
        return false;
    }
};
} // namespace

template <> struct addr_in_use::ServerTraits<OwnServer> {
    static bool is_address_in_use(int status) { return status == 10; }
    static bool is_address_in_use(const std::exception& e) {
        if (dynamic_cast<const OwnError*>(&e) == nullptr) { throw std::logic_error("not ours"); }
        return true;
    }
};
template <> struct addr_in_use::ServerTraits<ThrowingServer> {
    static bool is_address_in_use(const std::exception&) { throw std::logic_error("the rule's"); }
};
template <> struct addr_in_use::ServerTraits<ForeignServer> {
    static bool start(ForeignServer& server, const Endpoint& endpoint) { return server.open_at(endpoint.port()); }
    static bool restart(ForeignServer& server, const Endpoint&) {
        ++server.reopened;
        return true;
    }
    static bool is_address_in_use(bool opened) { return !opened; }
};

TEST_CASE("a server's own rule is asked first") {
    const auto probe = [](const Endpoint&) { return std::vector<Holder>(); };
    const auto killer = [](const Holder&) {};
    for (const int failure : {10, -1}) {
        OwnServer server{0, failure};
        RetryOnAddrInUse retry{server, probe, killer, NoLog{}};
        if (failure < 0) {
            CHECK_THROWS_AS(retry.start(80), OwnError);
        } else {
            CHECK(retry.start(80) == 0);
        }
        CHECK(server.starts == 2);
    }
    OwnServer healthy{0, 9};
    RetryOnAddrInUse retry{healthy, probe, killer, NoLog{}};
    CHECK(retry.start(80) == 9);
    CHECK(healthy.starts == 1);
}

TEST_CASE("a rule that throws says no, and the server's exception is untouched") {
    RetryOnAddrInUse retry{ThrowingServer{}, [](const Endpoint&) { return std::vector<Holder>(); }, ReportOnly{},
                           NoLog{}};
    CHECK_THROWS_WITH(retry.start(80), "the server's own");
}

TEST_CASE("ServerTraits start and restart a server that is called otherwise") {
    const auto probe = [](const Endpoint&) { return std::vector<Holder>(); };
    RetryOnAddrInUse<ForeignServer, decltype(probe), ReportOnly, NoLog> retry{{}, probe, {}};
    CHECK(retry.start(80));
    CHECK(retry->opened == 1);
    CHECK(retry->reopened == 1);
}
