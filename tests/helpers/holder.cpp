// A process that holds an address, for the tests. It carries out its arguments in their order; "holder help" shows all.
// Then it prints "ready PORT PID CHILD...". It exits when its standard input ends; on POSIX it accepts a connection,
// which it keeps, for each line there.
//
// HOLDER_OF_POSIX: without what only Linux has, as on macOS.

#if defined(_WIN32)
#    include "windows.hpp"
#elif defined(__linux__) && !defined(HOLDER_OF_POSIX)
#    include "linux.hpp"
#else
#    include "posix.hpp"
#endif

namespace {

std::vector<Word> all_words() {
    std::vector<Word> words = common_words;
#if defined(TESTS_HELPERS_POSIX_HPP)
    words.insert(words.end(), posix_words.begin(), posix_words.end());
#endif
#if defined(TESTS_HELPERS_LINUX_HPP)
    words.insert(words.end(), linux_words.begin(), linux_words.end());
#endif
#if defined(TESTS_HELPERS_WINDOWS_HPP)
    words.insert(words.end(), windows_words.begin(), windows_words.end());
#endif
    return words;
}

void show_help() {
    for (const Word& word : all_words()) { std::printf("%-34s %s\n", word.form, word.help); }
    std::printf(
        "\nHOST:PORT may be unix:PATH or unix:@NAME on POSIX. The port \"low\" is one below those that the system\n"
        "chooses for clients, \"@\" is that of the socket before.\n");
}

void carry_out(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    for (const Word& word : all_words()) {
        const std::string form = word.form;
        if (form.substr(0, form.find_first_of("= ")) == name) { return word.carry_out(value); }
    }
    std::fprintf(stderr, "holder: what is '%s'?\n", argument.c_str());
    std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
#if defined(_WIN32)
    WSADATA data;
    if (WSAStartup(0x202, &data) != 0) { fail("WSAStartup"); }
#endif
    if (argc == 2 && std::strcmp(argv[1], "help") == 0) {
        show_help();
        return 0;
    }
    state.program = argv[0];
    state.rest.assign(argv + 1, argv + argc);
    while (!state.rest.empty()) { carry_out(take_next()); }
    std::string ready = "ready " + std::to_string(state.port) + ' ' + std::to_string(current_pid());
    for (const unsigned long child : state.children) { ready += ' ' + std::to_string(child); }
    print(ready);
    for (const auto& action : state.when_ready) { action(); }
    wait_for_the_end();
}
