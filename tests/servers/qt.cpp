#include <QCoreApplication>
#include <QHostAddress>
#include <QTcpServer>
#include <QTcpSocket>

#include "serving.hpp"

void serve(const std::string& host, std::uint16_t port) {
    int count = 0;
    QCoreApplication application(count, nullptr);
    // recipe
    QTcpServer tcp;
    RetryOnAddrInUse server{[&](const Endpoint& endpoint) {
        return tcp.listen(QHostAddress(QString::fromStdString(endpoint.host())), endpoint.port());
    }};
    if (!server.start(host, port)) { throw std::runtime_error(tcp.errorString().toStdString()); }
    // end of recipe
    QObject::connect(&tcp, &QTcpServer::newConnection, [&] {
        QTcpSocket* const socket = tcp.nextPendingConnection();
        socket->write(hello.data(), static_cast<qint64>(hello.size()));
        socket->disconnectFromHost();
    });
    serving();
    QCoreApplication::exec();
}
