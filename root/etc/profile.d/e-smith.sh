# The e-smith commands can be typed without their folder, as on an SME server.
case ":$PATH:" in
    *:/sbin/e-smith:*) ;;
    *) PATH=$PATH:/sbin/e-smith ;;
esac
